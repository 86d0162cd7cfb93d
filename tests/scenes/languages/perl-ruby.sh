#: needs perl ruby
# Perl: fork, threads, IPC::Open3, sockets, locks. Ruby: fork, threads, Process, IO.
cat > p.pl <<'P'
use strict; use warnings; use IPC::Open3; use IO::Socket::INET; use IO::Select; use POSIX qw(:sys_wait_h setsid); use Fcntl qw(:flock); use Symbol;
$| = 1; $SIG{PIPE} = 'IGNORE';
my $err = gensym; my $pid = open3(my $in, my $out, $err, 'sh', '-c', 'cat; echo err >&2; exit 7'); print $in "in\n"; close $in;
print <$out>, <$err>; waitpid $pid, 0; print $? >> 8, "\n";
my $srv = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die;
if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $srv->sockport) or die; print $c "hello\n"; print "client got ", scalar <$c>; exit 3 }
my $c = $srv->accept; my $l = <$c>; print $c uc $l; close $c; wait; print $? >> 8, "\n";
my %seen; for my $i (1 .. 10) { my $p = fork // die; exit $i unless $p; $seen{$p} = $i } my $sum = 0; while ((my $p = wait) > 0) { $sum += $? >> 8; delete $seen{$p} } print "$sum ", scalar(keys %seen), "\n";
local $SIG{CHLD} = sub { while ((my $p = waitpid -1, WNOHANG) > 0) { print "reaped ", $? >> 8, "\n" } }; if (!fork) { exit 9 } sleep 5; $SIG{CHLD} = 'DEFAULT';
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select undef, undef, undef, 20; }; print $@;
open my $f, '>', 'lock' or die; flock $f, LOCK_EX; if (!fork) { open my $g, '>', 'lock'; print flock($g, LOCK_EX | LOCK_NB) ? "got\n" : "busy\n"; exit } wait;
pipe my $r, my $w; if (!fork) { close $r; setsid; print $w getpgrp == $$ ? "session\n" : "no\n"; exit } close $w; print <$r>; wait;
print `exit 4` . ($? >> 8), "\n"; system { 'sh' } 'named', '-c', 'echo $0'; print join(',', map { chomp; $_ } `seq 3`), "\n";
open my $k, '-|' or exec 'echo', 'safe pipe'; print <$k>; close $k; open my $v, '|-', 'tr a-z A-Z'; print $v "to pipe\n"; close $v;
kill 'TERM', my $s = fork || do { sleep 30; exit }; waitpid $s, 0; print $? & 127, "\n"; my @t = times; print scalar(@t), "\n";
P
perl p.pl
perl -MConfig -e 'exit !$Config{usethreads}' && perl -Mthreads -Mthreads::shared -MThread::Queue -e 'my $n : shared = 0; my @t = map { my $i = $_; threads->create(sub { for (1..100) { lock $n; $n += $i } $i }) } 1..8; print join(",", map { $_->join } @t), " $n\n"; my $q = Thread::Queue->new; my $c = threads->create(sub { my $s = 0; while (defined(my $x = $q->dequeue)) { $s += $x } $s }); $q->enqueue(1..100); $q->end; print $c->join, "\n"'
cat > r.rb <<'R'
require 'open3'; require 'socket'; require 'timeout'; require 'tempfile'; require 'pty'; require 'etc'
$stdout.sync = true
pid = fork { puts 'child'; exit! 3 }; Process.wait pid; p $?.exitstatus
o, e, s = Open3.capture3('cat; echo err >&2; exit 4', stdin_data: 'in'); p o, e, s.exitstatus
p Array.new(8) { |i| Thread.new { sleep 0.01; i * i } }.map(&:value)
q = Queue.new; t = Thread.new { s = 0; while (x = q.pop); s += x; end; s }; 100.times { |i| q << i }; q << nil; p t.value
m = Mutex.new; n = 0; 5.times.map { Thread.new { 200.times { m.synchronize { n += 1 } } } }.each(&:join); p n
begin; Timeout.timeout(0.2) { sleep 20 }; rescue Timeout::Error; puts 'timeout'; end
srv = TCPServer.new('127.0.0.1', 0); th = Thread.new { c = srv.accept; c.puts c.gets.upcase; c.close }
c = TCPSocket.new('127.0.0.1', srv.addr[1]); c.puts 'hello'; p c.read; th.join
UNIXServer.open('us') { |u| Thread.new { UNIXSocket.open('us') { |x| x.send_io($stdout); x.write 'd' } }; a = u.accept; io = a.recv_io; io.sync = true; io.puts 'through a passed descriptor'; p a.read }
trap('USR1') { puts 'usr1' }; Process.kill 'USR1', $$; sleep 0.2
p Process.wait2(spawn('exit 5'))[1].exitstatus; p `echo back`.chomp, system('exit 1'), system('no-such-command')
r, w = IO.pipe; spawn('sh', '-c', 'echo via fd', out: w, unsetenv_others: true); w.close; p r.read; Process.waitall
pid = spawn('sleep 30', pgroup: true); Process.kill 'KILL', pid; Process.wait pid; p $?.termsig, $?.signaled?
PTY.spawn('tty | cut -c1-8; stty size') { |a, b, k| begin; p a.read; rescue Errno::EIO; end rescue p $! }
pid = fork { Process.daemon(true, true); File.write 'daemon', Process.getpgrp == Process.pid }; Process.wait pid; 50.times { break if File.size? 'daemon'; sleep 0.1 }; p File.read('daemon')
p Ractor.new { Ractor.receive + 1 }.send(41).take rescue p $!
f = Fiber.new { Fiber.yield 1; 2 }; p f.resume, f.resume; at_exit { puts 'at exit' }; p Etc.nprocessors > 0; p IO.popen(%w[tr a-z A-Z], 'r+') { |x| x.write 'popen'; x.close_write; x.read }
abort 'aborted'
R
ruby -W0 r.rb; echo $?
