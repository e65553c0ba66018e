# bash completion for jobgate

_jobgate_ids() { # token|job|session
	jobgate "$1" list -o description --no-color 2>/dev/null | sed '1d; s/ .*//'
}

_jobgate() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local noun=${COMP_WORDS[1]} verb=${COMP_WORDS[2]} at
	local client="--token --app-token --token-file --control-url -o --output --no-color -h --help -V --version"
	local words=""

	COMPREPLY=()
	for ((at = 1; at < COMP_CWORD; at++)); do # what follows -- is a command of its own
		if [[ ${COMP_WORDS[at]} == -- ]]; then
			COMPREPLY=($(compgen -c -- "$word") $(compgen -f -- "$word"))
			return
		fi
	done
	case $before in
	-o | --output) words="json yaml description" ;;
	-r | --role) words="read operator" ;;
	-c | --config | --token-file | --ca-file)
		COMPREPLY=($(compgen -f -- "$word"))
		return
		;;
	--job) words=$(_jobgate_ids job) ;;
	--of-token) words=$(_jobgate_ids token) ;;
	--sort) words="rate bytes age job token client" ;;
	--state) words="waiting connecting awaiting relaying tunnel" ;;
	--token | --app-token | --control-url | --url | --store | --prefix | --name | --id | --port | --host | --access | --health | --affinity | --lease | --expires-in | --expires-at | --grace | --created-by | --unused-for | --idle-for | --expires-before | --from | --address | --interval | --rate | --burst | --concurrency | --value | -l | --label | --label-selector | --remove-label) return ;;
	esac
	if [[ -z $words ]]; then
		if ((COMP_CWORD == 1)); then
			words="serve check store token job session top console authorize help -h --help -V --version"
		elif ((COMP_CWORD == 2)) && [[ $noun == token ]]; then
			words="create list get set delete renew revoke -h --help -V --version"
		elif ((COMP_CWORD == 2)) && [[ $noun == job ]]; then
			words="create list get who set delete run -h --help -V --version"
		elif ((COMP_CWORD == 2)) && [[ $noun == session ]]; then
			words="list kill -h --help -V --version"
		elif ((COMP_CWORD == 2)) && [[ $noun == store ]]; then
			words="verify export import mint -h --help"
		else
			case "$noun $verb" in
			serve*) words="-c --config -h --help" ;;
			check*) words="-c --config --connect -h --help" ;;
			store*) words="-c --config --store --prefix --ca-file --mend --enforce --force -h --help" ;;
			top*) words="--job --of-token --address --state --sort --interval --url $client" ;;
			console*) words="--url $client" ;;
			authorize*) words="--job --port --value --url $client" ;;
			"token create") words="-r --role -l --label-selector --expires-in --expires-at --from --rate --burst --concurrency --url $client" ;;
			"token list") words="--name --created-by --unused-for --expires-before -r --role --url $client" ;;
			"token get") words="--url $client $(_jobgate_ids token)" ;;
			"token delete") words="--cascade -y --yes --url $client $(_jobgate_ids token)" ;;
			"token revoke") words="--value --url $client" ;;
			"token set") words="--expires-in --expires-at --from --rate --burst --concurrency --url $client $(_jobgate_ids token)" ;;
			"token renew") words="-y --yes --grace --expires-in --expires-at --from --rate --burst --concurrency --url $client $(_jobgate_ids token)" ;;
			"session list") words="--job --of-token --address --state --url $client" ;;
			"session kill") words="--job --of-token --address -y --yes --url $client $(_jobgate_ids session)" ;;
			"job create") words="-l --label --port --access --url --health --affinity --id --lease $client" ;;
			"job list") words="-l --label --idle-for --url $client" ;;
			"job get" | "job who") words="--url $client $(_jobgate_ids job)" ;;
			"job set") words="-l --label --remove-label --port --access --url --health --affinity $client $(_jobgate_ids job)" ;;
			"job delete") words="-y --yes --url $client $(_jobgate_ids job)" ;;
			"job run") words="-l --label --port --host --id --lease --url $client --" ;;
			esac
		fi
	fi
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}

complete -F _jobgate jobgate
