# Descriptors of bash: exec {fd}, duplicates, moves, read-write, here-documents large and small, coproc, substitution.
exec 2>&1
exec {a}> f; echo one >&$a; exec {a}>&-; cat f; echo $((a >= 10))
exec {b}<> f; read -u $b line; echo "got $line"; echo two >&$b; exec {b}<&-; cat f
exec 5>g 6>&5; echo five >&5; echo six >&6; exec 5>&- 6>&-; cat g
exec 7<g; exec 8<&7-; cat <&8; cat <&7; exec 8<&-
(echo out; echo err >&2) 2>&1 >/dev/null | sed s/^/piped:/
{ echo a; echo b >&2; } |& sort
cat <<A
$(seq 3)
A
head -c 200000 /dev/zero | tr '\0' x > big
cat <<A | wc -c
$(cat big)
A
cat <<<"$(cat big)" | wc -c
set -C; echo x > g; echo $?; echo y >| g; cat g; set +C
echo x > /nonexistent/dir; echo $?; cat < missing; echo $?; echo x > .; echo $?
mapfile -t lines < <(seq 5); echo ${#lines[@]} ${lines[4]}
mapfile -n 2 -s 1 two < <(printf 'a\nb\nc\nd\n'); printf %s "${two[@]}"
read -t 0 < /dev/null; echo "ready $?"
read -t 0.1 x < <(sleep 2); echo $(( $? > 128 ))
read -N 3 x <<< abcdef; echo $x; read -d , x <<< 'a b,c'; echo $x; IFS=: read p q r <<< a:b:c:d; echo $r
while read -r -u 3 l; do echo "3: $l"; cat; done 3< <(seq 2) < /dev/null
tee >(sort -r > r) >(wc -l > n) < <(seq 3) > /dev/null; sleep 0.3; cat r n
diff <(seq 3) <(seq 2 4); echo $?
cat <(echo a) - <(echo c) <<< b
coproc UP { tr a-z A-Z; }; echo up >&${UP[1]}; exec {UP[1]}>&-; cat <&${UP[0]}; wait $UP_PID; echo $?
echo $(< f) "$(cat <(echo nested $(echo deeper)))"
: > empty; [ -s empty ]; echo $?; [ -e /dev/fd/0 ]; echo $?; [ -p /dev/stdin ]; echo $?; echo | [ -p /dev/stdin ]; echo $?
echo to-tcp > /dev/tcp/127.0.0.1/1; echo $?
ulimit -n 20; exec {x}>x {y}>y; echo $x $y; for i in {1..20}; do exec {z}>z || break; done; echo stopped at $i
