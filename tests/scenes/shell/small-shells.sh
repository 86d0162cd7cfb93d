#: needs dash busybox
# The same script in dash, in busybox' ash and hush and in bash as sh.
cat > s.sh <<'S'
exec 2>&1
trap 'echo exit' EXIT; trap 'echo usr1' USR1
kill -USR1 $$; echo $(echo sub; exit 3) $?
(exit 4) & wait $!; echo $?
sleep 30 & kill $!; wait $!; echo $?
seq 5 | while read x; do [ $x = 3 ] && break; echo $x; done
cat <<A | { read a; read b; echo $b $a; }
one
$(echo two)
A
set -- a b c; shift; echo $# $*; f() { echo f $1; return 6; }; f x; echo $?
(trap 'echo inner' TERM; sh -c "kill -TERM $$" & wait) 2> /dev/null; umask 027; umask; > n; ls -l n | cut -c1-10
echo a > o 3>&1 >&3; cat o; { echo e >&2; } 2>&1; eval 'echo ev'; . ./inc; command -v echo; type cd
case abc in a*) echo m;; esac; for i in 1 2; do for j in 1 2; do [ $j = 2 ] && continue 2; echo $i$j; done; done
echo ${x:-d} ${#PWD} > /dev/null; y=abcabc; echo ${y#*b} ${y##*b} ${y%b*} ${y%%b*}; echo $((7 / 2 * 3 - (1 << 4)))
read l < inc; echo "$l"; (ulimit -n 10; ulimit -n); times > /dev/null; exec echo done
S
echo 'echo included' > inc
for shell in dash 'busybox ash' 'busybox hush' 'bash --posix' sh; do
    echo "== $shell"; timeout 20 $shell s.sh; echo "status $?"
done 2>&1 | sed 's/line [0-9]*//; s/process [0-9]*/process/'
