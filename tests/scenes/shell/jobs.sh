# Job control in a script: jobs, fg, bg, wait -n, wait -p, disown, groups.
set -m
sleep 0.3 & jobs
fg %1 > /dev/null; echo fg $?
sleep 30 & kill -STOP $!; sleep 0.1; jobs; bg %1; jobs; kill %1; wait %1; echo $?
(exit 3) & (sleep 0.2; exit 4) & wait -n; echo $?; wait -n; echo $?; wait -n; echo $?
(sleep 0.1; exit 5) & p=$!; wait -n -p which; echo $? $((which == p))
sleep 20 & sleep 20 & disown -a; jobs; kill $!
sh -c 'kill -STOP $$; exit 6' & sleep 0.2; jobs -l | sed 's/ *[0-9]\{2,\}/ PID/'; fg 2>&1; echo $?
sleep 20 | sleep 20 & p=$!; [ "$(ps -o pgid= -p $p)" -ne $$ ] && echo own group; kill -- -$(ps -o pgid= -p $p | tr -d ' '); wait $p; echo $?
set +m
sleep 20 & p=$!; [ "$(ps -o pgid= -p $p)" -eq "$(ps -o pgid= -p $$)" ] && echo same group; kill $p; wait $p 2>/dev/null; echo $?
fg 2>&1 | sed 's/.*: //'; bg 2>&1 | sed 's/.*: //'
wait 999999; echo $?
(sleep 0.2) & wait $! $!; echo $?
suspend 2>&1 | sed 's/.*: //'
for i in 1 2 3; do (sleep 0.$i; echo $i) & done; wait
time -p sleep 0 2>/dev/null; times > /dev/null; echo $?
