# Makes jobgate.yaml(5) from the reference configuration, so that each key is explained in one place:
#   awk -f deploy/man/jobgate.yaml.5.awk deploy/jobgate.yaml
# A comment is above its key. A key without a default is a comment itself: "# key: value".

function out(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	if (text ~ /^[.']/)
		text = "\\&" text
	print text
}

# In mdoc each sentence begins on a line of its own.
function out_sentences(words) {
	while (match(words, /[.:] [A-Z]/)) {
		out(substr(words, 1, RSTART))
		words = substr(words, RSTART + 2)
	}
	if (words != "")
		out(words)
}

# Prints the comment that was collected for a key. Each line that is indented by two spaces explains one word.
function flush_text(   i, words, table) {
	words = table = ""
	for (i = 1; i <= lines; i++) {
		if (text[i] ~ /^  [a-z]+ /) {
			out_sentences(words)
			if (!table)
				print ".Bl -tag -width Ds -compact"
			table = 1
			match(text[i], /[a-z]+ +/)
			print ".It Cm " substr(text[i], 3, index(substr(text[i], 3), " ") - 1)
			words = substr(text[i], RSTART + RLENGTH)
		} else {
			sub(/^ +/, "", text[i])
			words = words (words != "" ? " " : "") text[i]
		}
	}
	lines = 0
	out_sentences(words)
	if (table)
		print ".El"
}

function key(name, value, commented) {
	if (value ~ /^\[?"?#?$/ && !commented && value == "" && name !~ /\./) {
		# A section: its own text, then its keys.
		section = name
		print ".Ss " name
		flush_text()
		print ".Bl -tag -width Ds"
		open_list = 1
		return
	}
	if (name ~ /\./ && !open_list)
		print ".Bl -tag -width Ds"
	print ".It Ic " name
	flush_text()
	if (value != "") {
		print ".br"
		print (commented ? "Example:" : "Default:")
		print ".Li \"" quoted(value) "\""
	}
	if (value == "" && commented) {
		print ".br"
		print "Example:"
		print ".Bd -literal -offset Ds -compact"
		example = 1
	}
}

function end_example() {
	if (example)
		print ".Ed"
	example = 0
}

function quoted(value) {
	gsub(/\\/, "\\e", value)
	gsub(/"/, "\\(dq", value)
	gsub(/-/, "\\-", value)
	return value
}

function end_section() {
	end_example()
	flush_text()
	if (open_list)
		print ".El"
	open_list = 0
	section = ""
}

BEGIN {
	print ".\\\" Made from deploy/jobgate.yaml."
	print ".Dd $Mdocdate$"
	print ".Dt JOBGATE.YAML 5"
	print ".Os"
	print ".Sh NAME"
	print ".Nm jobgate.yaml"
	print ".Nd configuration of the jobgate gateway"
	print ".Sh DESCRIPTION"
}

/^$/ {
	if (!begun) {
		flush_text()
		begun = 1
		print "Keys are written here with their section before a dot."
		print ".Sh KEYS"
	} else {
		end_section()
	}
	next
}

{
	indent = match($0, /[^ ]/) - 1
	line = substr($0, indent + 1)
	commented = 0
	if (line ~ /^# [a-z0-9_]+:( [^ ]+| [{].*[}]| ".*")?$/) {
		commented = 1
		line = substr(line, 3)
	}
	if (example && line ~ /^#   /) {
		out(substr(line, 5))
		next
	}
	end_example()
	if (line ~ /^#/) {
		text[++lines] = substr(line, 3)
		next
	}
	if (line !~ /^[a-z0-9_]+:/) {
		text[++lines] = line
		next
	}
	colon = index(line, ":")
	name = substr(line, 1, colon - 1)
	value = substr(line, colon + 2)
	if (indent > 0)
		key(section "." name, value, commented)
	else if (value == "" && !commented)
		key(name, "", 0)
	else {
		print ".Bl -tag -width Ds"
		open_list = 1
		key(name, value, commented)
		print ".El"
		open_list = 0
	}
}

END {
	end_section()
	print ".Sh FILES"
	print ".Bl -tag -width Ds"
	print ".It Pa /etc/jobgate/jobgate.yaml"
	print "where the service unit looks for it"
	print ".El"
	print ".Sh SEE ALSO"
	print ".Xr jobgate 1"
}
