#: needs tmux screen expect script vim.basic less
#: seconds 120
# Programs that make terminals and programs that want one.
export HOME=$PWD TERM=xterm LC_ALL=C
export TMUX_TMPDIR=$PWD; tmux -f /dev/null new -d -s a -x 60 -y 15 'PS1="$ " sh'; sleep 0.5
tmux send-keys -t a 'echo $((6 * 7)); stty size' Enter; for i in $(seq 50); do tmux capture-pane -p -t a | grep -q '^15 60' && break; sleep 0.1; done; tmux capture-pane -p -t a | grep -v '^$'
tmux split-window -t a -h 'sleep 60'; tmux list-panes -t a -F '#{pane_index} #{pane_width}'; tmux resize-pane -t a -x 20; tmux new-window -t a 'cat'; tmux list-windows -t a | wc -l; tmux send-keys -t a 'to cat' Enter; sleep 0.5; tmux capture-pane -p -t a | grep -c 'to cat'; tmux send-keys -t a C-c; sleep 0.3; tmux list-windows -t a | wc -l; tmux run-shell 'echo run'; tmux pipe-pane -t a 'cat > piped'; tmux kill-server; tmux ls 2>/dev/null; echo $?
script -qc 'tty | cut -c1-8; stty -a | head -n 1; echo err >&2; exit 5' /dev/null; echo $?; script -qec 'exit 5' log; echo $?; sed 1d log | grep -c Script; echo 'echo typed; exit' | script -qc 'sh -i' /dev/null 2>&1 | grep -c typed; script -qc 'kill -TERM $$' /dev/null; echo $?
cat > e.exp <<'X'
set timeout 20
log_user 0
proc see {what says} { expect -re $what { puts $says } timeout { puts "no $says" } eof { puts "end before $says" } }
spawn -noecho env PS1=ready> bash --norc --noprofile -i
see ready> prompt
send "sleep 60\r"; sleep 0.5; send "\003"; see {\^C.*ready>} interrupted
send "sleep 60\r"; sleep 0.5; send "\032"; see {Stopped.*ready>} stopped
send "kill -CONT %1; kill %1; wait; echo wai''ted\r"; see {waited} waited; see ready> prompt
send "cat\r"; sleep 0.5; send "line\r"; see "line\r\nline" echoed
send "\004"; see ready> {end of file}
send "stty -echo; read x; stty echo; echo got \$x\r"; sleep 0.5; send "secret\r"; see "got secret" {read without echo}
see ready> prompt; send "echo lines | less -X\r"; see {END} paged; send "q"; see ready> prompt
send "fg\r"; see {no such job} {no job}
send "exit 7\r"; expect eof; lassign [wait] pid id os status; puts "status $status"
spawn -noecho sh -c {stty rows 30 cols 100; trap "echo winch; exit" WINCH; stty size; while :; do sleep 0.1; done}
see {30 100} size; exec stty -F $spawn_out(slave,name) rows 40; see winch resized; expect eof; wait
spawn -noecho sh -c {read x; echo "<$x>"}; sleep 0.3; send "one\x7f\x15two\r"; see {<two>} edited; wait
X
expect e.exp
SCREENDIR=$PWD/sc; export SCREENDIR; mkdir -m 700 sc; screen -c /dev/null -dmS s sh -c 'echo in screen > scr; sleep 60'; for i in $(seq 50); do [ -s scr ] && break; sleep 0.1; done; cat scr; screen -ls | grep -c Detached; screen -S s -X quit; sleep 0.5; screen -ls | grep -c 'No Sockets'
printf 'b\na\n' > v; vim.basic -u NONE -es -c 'sort | $put =system(\"echo shelled\") | wq' v; cat v; echo x | vim.basic -u NONE -es -c '%s/x/y/ | %p | q!' /dev/stdin; script -qc "vim.basic -u NONE -c 'normal ihello' -c 'silent w! vv' -c q! v" /dev/null > /dev/null; head -n 1 vv
seq 3 | less; man -P cat true 2>/dev/null | head -n 1 | wc -l; stty -F /dev/null 2>&1; tty < /dev/null; echo $?; mesg n 2> /dev/null; echo | tput -T xterm cols; setsid -c true < /dev/null; echo $?
