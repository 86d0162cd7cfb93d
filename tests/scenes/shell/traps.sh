# Traps of bash: EXIT, ERR, DEBUG, RETURN, signals; what is inherited and when they run.
exec 2>&1
bash -c 'trap "echo exit \$?" EXIT; exit 7'; echo $?
bash -c 'trap "echo exit" EXIT; kill -TERM $$; echo not here'; echo $?
bash -c 'trap "echo exit" EXIT; trap "echo int; exit 9" INT; kill -INT $$; echo not here'; echo $?
bash -c 'set -E; trap "echo err \$? \$LINENO" ERR; f() { false; }; f; (exit 4); true | false; ! true; if false; then :; fi; echo end'
bash -c 'set -e; trap "echo err \$?" ERR; trap "echo exit \$?" EXIT; (exit 5); echo not here'; echo $?
bash -c 'trap "echo return" RETURN; f() { echo in f; }; f; trap "echo debug \$BASH_COMMAND" DEBUG; a=1; echo $a'
bash -c 'trap "" INT; (kill -INT $BASHPID; echo ignored); trap - INT; (kill -INT $BASHPID; echo not here); echo $?'
bash -c 'trap "echo usr1" USR1; (trap; kill -USR1 $BASHPID; echo not here); echo $?; kill -USR1 $$; trap -p USR1'
bash -c 'n=0; trap "n=\$((n+1))" USR2; for i in {1..50}; do kill -USR2 $$; done; echo $n'
bash -c 'trap "echo hup" HUP; trap "echo chld" CHLD; kill -HUP $$; /bin/true; wait; echo done'
bash -c 'trap "echo term; trap - TERM; kill -TERM \$\$" TERM; kill -TERM $$; sleep 1; echo not here'; echo $?
bash -c 'trap "echo winch" WINCH; trap "echo cont" CONT; kill -WINCH $$; (kill -CONT $PPID; kill -CONT $$); echo end'
for s in HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT XCPU XFSZ VTALRM PROF IO PWR SYS RTMIN RTMAX; do
    { (ulimit -c 0; kill -$s $BASHPID); } > /dev/null 2>&1; echo $s $?
done
sh -c 'trap "echo 0" 0; trap "echo t" TERM; kill -TERM $$; kill -s TERM $$; exit 3'; echo $?
bash -c 'exec 2>&1; kill -99 $$; echo $?; kill -0 $$; echo $?; kill -0 999999; echo $?; kill -l 9 15 33 64; kill -l TERM 137'
