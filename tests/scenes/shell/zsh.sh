#: needs zsh
# zsh: multios, process substitution in three forms, coproc, job control, modules.
cat > s.zsh <<'Z'
echo to both > a > b; cat a b
cat < a < b
echo into | cat > c | tr a-z A-Z; cat c
diff <(seq 3) <(seq 2 4); cat =(seq 2); echo x > >(sed s/^/sub:/ > d); sleep 0.3; cat d
coproc tr a-z A-Z; print -p hello; coproc exit; read -p l; echo $l
setopt monitor; sleep 0.1 & wait $!; echo $?
f() { trap 'echo local exit' EXIT; echo in f }; f; echo after
TRAPUSR1() { echo usr1 $1 }; kill -USR1 $$; sleep 0.1
{ echo try; false } always { echo always }
print -l **/*(.N) | sort; echo ${(j:,:)${(f)"$(seq 4)"}}
zmodload zsh/system; zmodload zsh/zpty; zpty p 'echo from pty'; zpty -r p line; echo ${line//$'\r'/}; zpty -d p
zmodload zsh/stat; zstat +size a; zmodload zsh/datetime; (( EPOCHSECONDS > 1 )) && echo time
zmodload zsh/net/tcp; zmodload zsh/zselect; zselect -t 5; echo $?
(exit 3); echo $?; true | false | true; echo $pipestatus
ulimit -n 64; ulimit -n; repeat 3 echo -n r; echo
sched 2>&1; autoload -U zargs; zargs -n 2 a b c d e -- echo
Z
zsh -f s.zsh; echo $?
zsh -fc 'sleep 5 & kill -9 $!; wait $!; echo $?'
zsh -fc 'kill -TERM $$; sleep 1'; echo $?
