#: needs strace gdb
# There is no ptrace: who needs it must say so and end, instead of waiting for a stop that never comes.
exec 2>&1
said() { grep -o 'PTRACE_[A-Z]*.*Function not implemented\|ptrace: Function not implemented' | sed 's/, .*:/:/; s/^.*ptrace(//' | sort -u; }
strace echo traced > log; echo "strace $?"; said < log
strace -f -o trace sh -c 'echo traced' > log; echo "strace $?"; said < log
sleep 60 & strace -p $! > log; echo "strace $?"; said < log; kill $!
gdb -nx -batch -ex run --args /bin/echo traced > log; echo "gdb $?"; said < log
gdb -nx -batch -p 1 < /dev/null > log; echo "gdb $?"; said < log
gdb -nx -batch -ex 'print 6 * 7'; echo "gdb $?"
