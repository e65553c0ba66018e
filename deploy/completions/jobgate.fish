# fish completion for jobgate

function __jobgate_ids # token|job|session
    jobgate $argv[1] list -o description --no-color 2>/dev/null | sed '1d; s/ .*//'
end

function __jobgate_at # NOUN [VERB]: true when the line is in this command
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"; or return 1
    set -q argv[2]; and not contains -- "$words[3]" $argv[2..-1]; and return 1
    return 0
end

function __jobgate_verb # NOUN: true when its verb is missing
    set -l words (commandline -opc)
    test (count $words) -eq 2 -a "$words[2]" = "$argv[1]"
end

complete -c jobgate -f
complete -c jobgate -n __fish_use_subcommand -a serve -d 'Run the gateway'
complete -c jobgate -n __fish_use_subcommand -a check -d 'Validate a configuration'
complete -c jobgate -n __fish_use_subcommand -a store -d 'Check, export and import a store'
complete -c jobgate -n __fish_use_subcommand -a token -d 'Application tokens'
complete -c jobgate -n __fish_use_subcommand -a job -d Jobs
complete -c jobgate -n __fish_use_subcommand -a session -d 'What runs now'
complete -c jobgate -n __fish_use_subcommand -a top -d 'What runs now, live'
complete -c jobgate -n __fish_use_subcommand -a console -d 'The console, in a browser'
complete -c jobgate -n __fish_use_subcommand -a authorize -d 'Explain a decision'
complete -c jobgate -n __fish_use_subcommand -a help -d 'The help of a command'
complete -c jobgate -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c jobgate -s h -l help -d 'Print help'

complete -c jobgate -n '__jobgate_verb token' -a 'create list get set delete renew revoke'
complete -c jobgate -n '__jobgate_verb job' -a 'create list get who set delete run'
complete -c jobgate -n '__jobgate_verb session' -a 'list kill'
complete -c jobgate -n '__jobgate_verb store' -a 'verify export import mint'

for noun in serve check store
    complete -c jobgate -n "__jobgate_at $noun" -s c -l config -r -F -d Configuration
end
complete -c jobgate -n '__jobgate_at check' -l connect -d 'Also connect to the store and the job'
complete -c jobgate -n '__jobgate_at store' -l store -x -d 'URL of the store'
complete -c jobgate -n '__jobgate_at store' -l prefix -x -d 'Prefix of its keys'
complete -c jobgate -n '__jobgate_at store' -l ca-file -r -F -d 'CA certificates'
complete -c jobgate -n '__jobgate_at store' -l mend -d 'verify: repair the sets of tokens that tokens created'
complete -c jobgate -n '__jobgate_at store' -l enforce -d 'mint: refuse values that were not minted'
complete -c jobgate -n '__jobgate_at store' -l force -d 'mint: even if this refuses tokens'

for noun in token job session top console authorize
    complete -c jobgate -n "__jobgate_at $noun" -l token -x -d 'Authenticate with an operator token'
    complete -c jobgate -n "__jobgate_at $noun" -l app-token -x -d 'The same as --token'
    complete -c jobgate -n "__jobgate_at $noun" -l token-file -r -F -d 'Read the token from a file'
    complete -c jobgate -n "__jobgate_at $noun" -l control-url -x -d 'Control API'
    complete -c jobgate -n "__jobgate_at $noun" -l url -x -d 'URL of the job, or the same as --control-url'
    complete -c jobgate -n "__jobgate_at $noun" -s o -l output -x -a 'json yaml description' -d 'Output format'
    complete -c jobgate -n "__jobgate_at $noun" -l no-color -d 'Remove colors from output'
    complete -c jobgate -n "__jobgate_at $noun" -s V -l version -d 'Print the version'
end

complete -c jobgate -n '__jobgate_at token create list' -s r -l role -x -a 'read operator' -d Role
complete -c jobgate -n '__jobgate_at token create' -s l -l label-selector -x -d 'Label selector name=value'
complete -c jobgate -n '__jobgate_at token create set renew' -l expires-in -x -d 'Refuse it after this time'
complete -c jobgate -n '__jobgate_at token create set renew' -l from -x -d 'Accept it only from these addresses'
complete -c jobgate -n '__jobgate_at token create set renew' -l rate -x -d 'Requests per second'
complete -c jobgate -n '__jobgate_at token create set renew' -l burst -x -d 'Requests at once'
complete -c jobgate -n '__jobgate_at token create set renew' -l concurrency -x -d 'Requests at a time'
complete -c jobgate -n '__jobgate_at token create set renew' -l expires-at -x -d 'Refuse it from this time on'
complete -c jobgate -n '__jobgate_at token renew' -l grace -x -d 'Accept the old value, too, for this time'
complete -c jobgate -n '__jobgate_at token list' -l created-by -x -a '(__jobgate_ids token)' -d 'Only tokens that this one created'
complete -c jobgate -n '__jobgate_at token list' -l unused-for -x -d 'Only tokens that were not used for this time'
complete -c jobgate -n '__jobgate_at token list' -l expires-before -x -d 'Only tokens that expire before this time'
complete -c jobgate -n '__jobgate_at token list' -l name -x -d 'Only tokens of this name'
complete -c jobgate -n '__jobgate_at job list' -l idle-for -x -d 'Only jobs to which no request began for this time'
complete -c jobgate -n '__jobgate_at token get set delete renew' -a '(__jobgate_ids token)'
complete -c jobgate -n '__jobgate_at token delete' -l cascade -d 'Also delete the tokens that it created'
complete -c jobgate -n '__jobgate_at token delete renew' -s y -l yes -d 'Do not ask'

complete -c jobgate -n '__jobgate_at job create list set run' -s l -l label -x -d 'Label name=value'
complete -c jobgate -n '__jobgate_at job create run' -l id -x -d 'Id of the job'
complete -c jobgate -n '__jobgate_at job create set' -l health -x -d 'Path of checks of its replicas'
complete -c jobgate -n '__jobgate_at job create set' -l affinity -x -a cookie -d 'A browser stays at one replica'
complete -c jobgate -n '__jobgate_at job create run' -l lease -x -d Seconds
complete -c jobgate -n '__jobgate_at job set' -l remove-label -x -d 'Remove a label'
complete -c jobgate -n '__jobgate_at job create set' -l port -x -d 'Further port PORT=URL'
complete -c jobgate -n '__jobgate_at job create set' -l access -x -a public -d 'Who may use it'
complete -c jobgate -n '__jobgate_at job run' -l port -x -d 'Port of the command, further ports'
complete -c jobgate -n '__jobgate_at job run' -l host -x -d 'Address of this machine'
complete -c jobgate -n '__jobgate_at job get who set delete' -a '(__jobgate_ids job)'
complete -c jobgate -n '__jobgate_at job delete' -s y -l yes -d 'Do not ask'

complete -c jobgate -n '__jobgate_at session list kill' -l job -x -a '(__jobgate_ids job)' -d 'Sessions at this job'
complete -c jobgate -n '__jobgate_at session list kill' -l of-token -x -a '(__jobgate_ids token)' -d 'Sessions of this token'
complete -c jobgate -n '__jobgate_at session list kill' -l address -x -d 'Sessions of clients there'
complete -c jobgate -n '__jobgate_at session list' -l state -x -a 'waiting connecting awaiting relaying tunnel' -d 'Sessions in this state'
complete -c jobgate -n '__jobgate_at top' -l job -x -a '(__jobgate_ids job)' -d 'Sessions at this job'
complete -c jobgate -n '__jobgate_at top' -l of-token -x -a '(__jobgate_ids token)' -d 'Sessions of this token'
complete -c jobgate -n '__jobgate_at top' -l address -x -d 'Sessions of clients there'
complete -c jobgate -n '__jobgate_at top' -l state -x -a 'waiting connecting awaiting relaying tunnel' -d 'Sessions in this state'
complete -c jobgate -n '__jobgate_at top' -l sort -x -a 'rate bytes age job token client' -d 'Order at the start'
complete -c jobgate -n '__jobgate_at top' -l interval -x -d 'Time between two looks'
complete -c jobgate -n '__jobgate_at session kill' -s y -l yes -d 'Do not ask'
complete -c jobgate -n '__jobgate_at session kill' -a '(__jobgate_ids session)'

complete -c jobgate -n '__jobgate_at token revoke' -l value -x -d 'Token to revoke'
complete -c jobgate -n '__jobgate_at authorize' -l job -x -a '(__jobgate_ids job)' -d 'Job that the request is for'
complete -c jobgate -n '__jobgate_at authorize' -l port -x -d 'One of its ports'
complete -c jobgate -n '__jobgate_at authorize' -l value -x -d 'Token to judge'
