//! Programs made of several processes and threads: shells, compilers, interpreters and what they start.
//! Each case is a script; what it prints, how it ends and the files it leaves are those of the host.

use std::path::PathBuf;

use fncall_tests::case::Case;
use fncall_tests::run::PATH;
use fncall_tests::suite;
use libtest_mimic::Trial;

/// Name, programs it needs, script for `bash -c`.
type Script = (&'static str, &'static [&'static str], &'static str);

const SHELL: &[Script] = &[
    ("pipeline", &[], "seq 1 2000 | grep 7 | sort -rn | head -n 5 | tr '\\n' ,; echo ${PIPESTATUS[@]}"),
    ("pipefail", &[], "set -o pipefail; false | true; echo $?; true | exit 3 | true; echo $?"),
    (
        "here-document",
        &[],
        "x=5; cat <<A | tr a-z A-Z\nhello $x $(echo sub)\nA\ncat <<'B'\n$x\nB\ncat <<<word",
    ),
    (
        "process-substitution",
        &[],
        "diff <(seq 5) <(seq 2 6); mkfifo p; seq 3 > >(sed s/^/x/ > p); cat p; paste <(echo a) <(echo b)",
    ),
    (
        "background-and-wait",
        &[],
        "(sleep 0.1; exit 3) & a=$!; (exit 4) & b=$!; wait $a; echo $?; wait $b; echo $?; wait; echo $?",
    ),
    ("wait-n", &[], "(exit 7) & wait -n; echo $?; wait -n; echo $?"),
    ("trap-exit", &[], "trap 'echo bye $?' EXIT; (trap 'echo inner' EXIT; exit 2); echo $?; exit 9"),
    (
        "trap-signal",
        &[],
        "trap 'echo usr1' USR1; kill -USR1 $$; (kill -USR1 $$); trap - TERM; (kill -TERM $BASHPID); echo $?",
    ),
    ("trap-chld", &[], "trap 'echo chld' CHLD; (exit 1); /bin/true; echo end"),
    (
        "wait-interrupted-by-trap",
        &[],
        "trap 'echo term' TERM; sleep 5 & p=$!; (sleep 0.1; kill -TERM $$) & wait $p; echo $?; kill $p; wait $p; echo $?",
    ),
    (
        "killed-child",
        &[],
        "exec 2>/dev/null; sh -c 'kill -9 $$'; echo $?; sh -c 'kill -SEGV $$'; echo $?; (ulimit -c 0; kill -ABRT $BASHPID); echo $?",
    ),
    ("sigpipe", &[], "yes | head -n 1; echo ${PIPESTATUS[@]}"),
    ("subshell-state", &[], "cd /; (cd /usr; x=1; pwd); pwd; echo ${x-unset}; umask 022; (umask 077); umask"),
    (
        "coproc",
        &[],
        "coproc { while read l; do echo got $l; done; }; echo one >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x; eval \"exec ${COPROC[1]}>&-\"; wait; echo done",
    ),
    (
        "command-not-found",
        &[],
        "nosuchcmd; echo $?; /etc/passwd; echo $?; /no/such; echo $?; exec /no/such; echo no",
    ),
    ("exec-chain", &[], "exec sh -c 'exec bash -c \"exec echo chained\"'"),
    (
        "script-chain",
        &[],
        "printf '#!/bin/sh\\necho s $0 $@; exit 3\\n' > a; printf '#!./a x\\n' > b; chmod +x a b; ./a 1 2; echo $?; ./b 3; echo $?",
    ),
    (
        "job-control",
        &[],
        "set -m; sleep 0.2 & jobs -r | cut -c1-14; kill -STOP %1; sleep 0.05; jobs -s | cut -c1-14; kill -CONT %1; wait %1; echo $?",
    ),
    ("fifo-between", &[], "mkfifo f; (seq 1000 > f) & sort -rn f | head -n 2; wait"),
    (
        "dash",
        &["dash"],
        "dash -c 'trap \"echo t\" TERM; kill -TERM $$; (exit 4) & wait $!; echo $?; seq 5 | while read x; do echo $x; done; echo `echo a | cat`'",
    ),
    (
        "busybox-ash",
        &["busybox"],
        "busybox ash -c 'for i in 1 2 3; do (echo $i; exit $i) | cat; done; sleep 0 & wait; echo $?'",
    ),
    (
        "many-forks",
        &[],
        "for i in $(seq 300); do /bin/true || echo bad; (exit 3); [ $? = 3 ] || echo bad; done; echo done",
    ),
    (
        "many-at-once",
        &[],
        "for i in $(seq 60); do (sleep 0.2; exit 1) & done; n=0; for p in $(jobs -p); do wait $p || n=$((n+1)); done; echo $n",
    ),
    ("deep", &[], "f() { [ $1 = 0 ] && { echo bottom; return; }; ( f $(($1-1)) ); }; f 40"),
    (
        "times-out",
        &[],
        "exec 2>/dev/null; timeout 0.2 sleep 5; echo $?; timeout -s KILL 0.2 sleep 5; echo $?; timeout 5 sh -c 'exit 3'; echo $?; timeout -k 0.1 0.1 sh -c 'trap \"\" TERM; sleep 3 & wait; sleep 3'; echo $?",
    ),
    ("orphan-goes-on", &[], "(sh -c '(sleep 0.2; echo orphan > f) & exit 0'); sleep 1; cat f"),
    (
        "nohup-setsid",
        &[],
        "setsid -w sh -c 'echo sid; exit 6'; echo $?; nice -n 3 nice; env -i A=b /usr/bin/env; nohup echo x 2>&1 | cat",
    ),
    ("read-timeout", &[], "sleep 3 | { read -t 0.1 x; [ $? -gt 128 ] && echo timed; }; true"),
    ("kill-group", &[], "set -m; (sleep 9 | sleep 9) & p=$!; sleep 0.1; kill -TERM -- -$p; wait $p; echo $?"),
    (
        "kill-middle-of-pipeline",
        &[],
        "yes | (exec sleep 9) | wc -c & sleep 0.2; pkill -KILL -P $$ sleep; wait; echo done",
    ),
    ("nproc-limit", &[], "ulimit -u 1 2>/dev/null; ulimit -u; (echo root may)"),
];

const TOOLS: &[Script] = &[
    (
        "xargs-p",
        &[],
        "seq 40 | xargs -P 4 -n 1 sh -c 'echo $(($0 * 2))' | sort -n | tail -n 3; seq 3 | xargs -n1 sh -c 'exit $0'; echo $?",
    ),
    (
        "find-exec",
        &[],
        "mkdir -p d/e; touch d/1 d/2 d/e/3; find d -type f -exec sh -c 'echo f $0' {} \\; | sort; find d -type f -exec echo {} + | wc -w; find d -print0 | sort -z | xargs -0 ls -d",
    ),
    (
        "xz-threads",
        &["xz"],
        "seq 300000 > s; xz -T2 --block-size=200KiB -k s; xz -T2 -dc s.xz | cmp - s && echo same",
    ),
    ("zstd-threads", &["zstd"], "seq 300000 > s; zstd -q -T2 s; zstd -q -dc s.zst | cmp - s && echo same"),
    ("sort-parallel", &[], "seq 200000 | sort -r --parallel=4 -S 2M | md5sum"),
    (
        "tar-gzip",
        &[],
        "mkdir t; seq 9999 > t/a; seq 5 > t/b; tar czf t.tgz t; tar tzf t.tgz | sort; tar xzf t.tgz -O t/a | md5sum",
    ),
    (
        "awk-pipe",
        &[],
        "awk 'BEGIN { \"echo in\" | getline x; print x; print \"b\\na\" | \"sort\"; close(\"sort\"); print system(\"exit 3\") }'",
    ),
    (
        "gcc",
        &["gcc"],
        "printf '#include <stdio.h>\\nint main(void){puts(\"hi\");return 3;}' > a.c; gcc -O2 -pipe -o a a.c && ./a; echo $?; gcc nope.c 2>&1 | tail -n 1; echo 'int x(' | gcc -xc -fsyntax-only - 2>/dev/null; echo $?",
    ),
    (
        "g++",
        &["g++"],
        "printf '#include <iostream>\\n#include <thread>\\n#include <vector>\\nint main(){std::vector<std::thread> v;int s[9]={};for(int i=0;i<9;i++)v.emplace_back([&s,i]{s[i]=i;});int t=0;for(auto&x:v)x.join();for(int x:s)t+=x;try{throw t;}catch(int e){std::cout<<e<<std::endl;}}' > a.cc; g++ -pthread -o a a.cc && ./a",
    ),
    (
        "make-j4",
        &["make", "gcc"],
        "for i in $(seq 12); do echo \"int f$i(void){return $i;}\" > f$i.c; done; { echo '#include <stdio.h>'; for i in $(seq 12); do echo \"int f$i(void);\"; done; echo 'int main(void){printf(\"%d\\n\",f1()+f12());return 0;}'; } > main.c; printf 'O=$(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: prog\\nprog: $(O)\\n\\t@gcc -o $@ $^\\n%%.o: %%.c\\n\\t@gcc -c -o $@ $<\\nbad:\\n\\t@exit 3\\nsub:\\n\\t@$(MAKE) -s all\\n' > Makefile; make -s -j4 && ./prog; make -s sub; make -s bad 2>/dev/null; echo $?",
    ),
    (
        "git",
        &["git"],
        "export HOME=$PWD GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'; git init -q r; cd r; git config user.email a@b; git config user.name n; printf '#!/bin/sh\\necho hook ran\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo x > f; git add f; git commit -qm one 2>&1; GIT_PAGER='sed s/^/P:/' git -p log --format='%h %s'; git clone -q . ../c; git -C ../c log --format=%H; git gc -q; git fsck; git grep -n x; cd ..; rm -rf r c",
    ),
    (
        "perl-fork",
        &["perl"],
        "perl -e '$|=1; for my $i (1..5) { my $p = fork; if (!$p) { exit $i } waitpid $p, 0; print $? >> 8, qq(\\n) } open F, qq(-|), qw(echo piped) or die; print <F>; close F; print `echo back`; system(qq(kill -9 \\$\\$)); print $? & 127, qq(\\n); $SIG{ALRM} = sub { print qq(alarm\\n) }; alarm 1; sleep 5'",
    ),
];

const TERMINALS: &[Script] = &[
    (
        "tmux",
        &["tmux"],
        "export TMUX_TMPDIR=$PWD; tmux -f /dev/null new -d -s a 'tty | cut -c1-8 > out; echo in tmux >> out; sleep 9'; for i in $(seq 50); do grep -qs tmux out && break; sleep 0.1; done; tmux ls -F '#S #{session_windows}'; cat out; tmux kill-server; rm -rf tmux-*",
    ),
    ("script", &["script"], "script -qec 'tty | cut -c1-8; stty size; exit 5' /dev/null; echo $?"),
];

/// `cargo` of the toolchain that runs the tests: it is not where distributions put programs.
fn cargo() -> Option<Case> {
    let cargo = PathBuf::from(std::env::var_os("CARGO")?);
    let path = format!("{}:{PATH}", cargo.parent()?.display());
    let script = "export HOME=$PWD/h CARGO_HOME=$PWD/h/c; mkdir -p a/src; cd a; printf '[package]\\nname = \"a\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n' > Cargo.toml; echo 'pub fn f(x: u32) -> u32 { x * 2 } #[test] fn t() { assert_eq!(std::thread::spawn(|| f(3)).join().unwrap(), 6) }' > src/lib.rs; echo 'fn main() { println!(\"{}\", a::f(21)) }' > src/main.rs; cargo build --offline -q && ./target/debug/a; cargo test --offline -q 2>&1 | sed 's/finished in.*//'; echo 'fn' >> src/lib.rs; cargo build --offline -q 2>/dev/null; echo $?; cd ..; rm -rf a h";
    Some(Case::new("tools::cargo", ["bash", "-c", script]).env("PATH", &path).needs(&["gcc"]).seconds(90))
}

const LANGUAGES: &[Script] = &[
    (
        "thousand-threads",
        &["gcc"],
        "cat > t.c <<'E'\n#include <pthread.h>\n#include <stdio.h>\npthread_mutex_t m=PTHREAD_MUTEX_INITIALIZER; pthread_cond_t c=PTHREAD_COND_INITIALIZER; int n,go;\nvoid*f(void*a){pthread_mutex_lock(&m);n++;pthread_cond_broadcast(&c);while(!go)pthread_cond_wait(&c,&m);pthread_mutex_unlock(&m);return a;}\nint main(){pthread_t t[1000];long s=0;for(long i=0;i<1000;i++)if(pthread_create(&t[i],0,f,(void*)i))return 1;\npthread_mutex_lock(&m);while(n<1000)pthread_cond_wait(&c,&m);go=1;pthread_cond_broadcast(&c);pthread_mutex_unlock(&m);\nfor(int i=0;i<1000;i++){void*r;pthread_join(t[i],&r);s+=(long)r;}printf(\"%d %ld\\n\",n,s);}\nE\ngcc -O2 -pthread -o t t.c && ./t",
    ),
    (
        "go-cgo",
        &["go", "gcc"],
        "export HOME=$PWD GOCACHE=$PWD/.c GO111MODULE=off; cat > a.go <<'E'\npackage main\n// static int twice(int x) { return 2 * x; }\nimport \"C\"\nimport (\"fmt\"; \"sync\")\nfunc main() { var w sync.WaitGroup; r := make([]int, 100); for i := range r { w.Add(1); go func(i int) { r[i] = int(C.twice(C.int(i))); w.Done() }(i) }; w.Wait(); fmt.Println(r[99]) }\nE\ngo build -o a a.go && ./a; rm -rf .c a",
    ),
    (
        "python-subprocess",
        &["python3"],
        "python3 -c \"\nimport subprocess as s\nprint(s.run(['echo','a'],capture_output=True).stdout)\nprint(s.run('exit 3',shell=True).returncode)\nprint(s.run(['sh','-c','kill -9 \\$\\$']).returncode)\ntry: s.run(['/no/such'])\nexcept FileNotFoundError as e: print(e)\ntry: s.run(['sleep','5'],timeout=.1)\nexcept s.TimeoutExpired: print('timeout')\np=s.Popen(['cat'],stdin=s.PIPE,stdout=s.PIPE)\nprint(p.communicate(b'x'*200000)[0]==b'x'*200000)\nprint(s.run(['sh','-c','echo \\$\\$ >/dev/null; pwd'],cwd='/usr',start_new_session=True,capture_output=True).stdout)\nprint(s.run(['true'],preexec_fn=lambda: None).returncode)\n\"",
    ),
    (
        "python-multiprocessing-fork",
        &["python3"],
        "python3 -c \"\nimport multiprocessing as m\nc=m.get_context('fork')\nwith c.Pool(4) as p: print(p.map(abs,range(-50,0)))\nq=c.Queue(); r=c.Process(target=q.put,args=(5,)); r.start(); print(q.get()); r.join(); print(r.exitcode)\nl=c.Lock(); v=c.Value('i',0)\ndef f():\n  for _ in range(500):\n    with v.get_lock(): v.value+=1\nps=[c.Process(target=f) for _ in range(4)]\n[p.start() for p in ps]; [p.join() for p in ps]; print(v.value)\n\"",
    ),
    (
        "python-multiprocessing-spawn",
        &["python3"],
        "cat > m.py <<'E'\nimport multiprocessing as m, sys\ndef f(x): return x*x\nif __name__=='__main__':\n  for k in ('spawn','forkserver'):\n    with m.get_context(k).Pool(2) as p: print(k,p.map(f,range(9)))\nE\npython3 -B m.py",
    ),
    (
        "python-futures",
        &["python3"],
        "python3 -c \"\nimport concurrent.futures as f\nwith f.ThreadPoolExecutor(8) as e: print(sum(e.map(lambda x:x*x,range(1000))))\nwith f.ProcessPoolExecutor(2) as e: print(sum(e.map(abs,range(-300,0),chunksize=50)))\n\"",
    ),
    (
        "python-asyncio",
        &["python3"],
        "python3 -c \"\nimport asyncio as a\nasync def one(n):\n  p=await a.create_subprocess_exec('sh','-c',f'sleep 0.0{n}; echo {n}; exit {n}',stdout=a.subprocess.PIPE)\n  o,_=await p.communicate(); return o,p.returncode\nasync def main(): print(await a.gather(*map(one,range(8))))\na.run(main())\n\"",
    ),
    (
        "python-threads",
        &["python3"],
        "python3 -c \"\nimport threading as t,queue\nq=queue.Queue()\nts=[t.Thread(target=lambda i=i:q.put(i)) for i in range(200)]\n[x.start() for x in ts];[x.join() for x in ts]\nprint(sorted(q.queue)==list(range(200)))\nb=t.Barrier(20); r=[]\nts=[t.Thread(target=lambda:r.append(b.wait())) for i in range(20)]\n[x.start() for x in ts];[x.join() for x in ts]\nprint(sorted(r))\n\"",
    ),
    (
        "python-exec-from-thread",
        &["python3"],
        "python3 -c \"\nimport threading as t,os,time\n[t.Thread(target=time.sleep,args=(60,)).start() for _ in range(5)]\nt.Thread(target=lambda: os.execvp('sh',['sh','-c','echo execed; ls /proc/self/task | wc -l; exit 7'])).start()\n\"; echo $?",
    ),
    (
        "python-exec-from-main",
        &["python3"],
        "python3 -c \"\nimport threading as t,os,time\n[t.Thread(target=time.sleep,args=(60,)).start() for _ in range(5)]\nos.execvp('sh',['sh','-c','echo execed; exit 7'])\n\"; echo $?",
    ),
    (
        "node-child-process",
        &["node"],
        "node -e \"\nconst c=require('child_process');\nconsole.log(c.execSync('echo sync').toString(), c.spawnSync('sh',['-c','exit 5']).status);\nconst p=c.spawn('cat');p.stdout.on('data',d=>console.log('cat',d.toString()));p.on('close',(x,s)=>console.log('closed',x,s));p.stdin.end('in');\nconst k=c.spawn('sleep',['9']);k.on('exit',(x,s)=>console.log(x,s));setTimeout(()=>k.kill(),300);\n\"",
    ),
    (
        "node-workers",
        &["node"],
        "node -e \"\nconst w=require('worker_threads');let n=0,s=0;\nfor(let i=0;i<4;i++){const k=new w.Worker('const w=require(\\\"worker_threads\\\");w.parentPort.postMessage(w.workerData*2)',{eval:true,workerData:i});k.on('message',m=>{s+=m});k.on('exit',c=>{if(++n==4)console.log(s,c)})}\n\"",
    ),
    (
        "go",
        &["go"],
        "export HOME=$PWD GOFLAGS=-mod=mod GOCACHE=$PWD/.c GO111MODULE=off; cat > a.go <<'E'\npackage main\nimport (\"fmt\";\"os/exec\";\"sync\";\"runtime\";\"time\")\nfunc main(){var w sync.WaitGroup;s:=0;var m sync.Mutex;for i:=0;i<1000;i++{w.Add(1);go func(i int){defer w.Done();m.Lock();s+=i;m.Unlock()}(i)};w.Wait();fmt.Println(s)\nruntime.GOMAXPROCS(1);done:=false;go func(){time.Sleep(10*time.Millisecond);done=true}();for i:=0;i<3000000000&&!done;i++{};o,e:=exec.Command(\"echo\",\"x\").Output();fmt.Println(string(o),e);e=exec.Command(\"false\").Run();fmt.Println(e)}\nE\ngo build -o a a.go && ./a; rm -rf .c a",
    ),
    (
        "java",
        &["java"],
        "cat > T.java <<'E'\npublic class T { public static void main(String[] a) throws Exception { int[] s={0}; Thread[] t=new Thread[50]; for(int i=0;i<50;i++){t[i]=new Thread(()->{synchronized(s){s[0]++;}});t[i].start();} for(Thread x:t)x.join(); System.out.println(s[0]); } }\nE\nif command -v javac >/dev/null; then javac T.java && java -cp . T; else java -version 2>&1 | head -n 1; fi; rm -f *.class",
    ),
];

/// Programs that look at processes. What they print of the others on the machine is not compared.
const PROCPS: &[Script] = &[
    (
        "ps-of-one",
        &["ps"],
        "exec 2>/dev/null; sleep 77 & p=$!; sleep 0.3; ps -o stat=,comm=,args=,ni=,nlwp=,uid= -p $p; [ $(ps -o ppid= -p $p) = $$ ] && echo child; kill -STOP $p; sleep 0.1; ps -o stat= -p $p; kill -CONT $p; kill $p; wait $p; ps -p $p >/dev/null; echo $?",
    ),
    (
        "ps-forest",
        &["ps"],
        "exec 2>/dev/null; bash -c 'sleep 71 & sleep 72 & wait' & p=$!; sleep 0.3; ps -ef --forest | grep -A2 \"'[s]leep 71 \\|[s]leep 7[12]\" | sed 's/.*[0-9] [ |\\_]*//' | grep '^sleep'; ps aux | grep -c '[s]leep 7[12]$'; pkill -P $p; wait",
    ),
    (
        "ps-zombie",
        &["ps"],
        "bash -c 'sleep 0.1 & exec sleep 1' & p=$!; sleep 0.5; ps -o stat=,comm= --ppid $p; grep State /proc/$(pgrep -P $p)/status; wait",
    ),
    (
        "ps-threads",
        &["ps", "python3"],
        "python3 -c 'import threading as t,time; [t.Thread(target=time.sleep,args=(2,)).start() for _ in range(4)]' & p=$!; sleep 1; ps -o nlwp= -p $p; ps -L -o lwp= -p $p | wc -l; ls /proc/$p/task | wc -l; wait",
    ),
    (
        "pgrep-pkill",
        &["pgrep"],
        "exec 2>/dev/null; sleep 7701 & sleep 7702 & sleep 0.2; pgrep -c -P $$ sleep; pgrep -a -P $$ -f 'sleep 770' | cut -d' ' -f2-; pkill -P $$ -f 7701; echo $?; sleep 0.2; pgrep -c -P $$ sleep; pkill -KILL -P $$ sleep; wait; echo $?; pkill -P $$ nothing; echo $?",
    ),
    (
        "pstree",
        &["pstree"],
        "exec 2>/dev/null; sleep 7 & sh -c 'sleep 8 & sleep 9 & wait' & p=$!; sleep 0.3; pstree -A $$; pstree -A -a $p; pkill -P $p; pkill -P $$; wait",
    ),
    (
        "top",
        &["top"],
        "top -b -n1 -w 200 -p $$ | awk -v p=$$ '$1==p {print $8, $NF}'; top -b -n1 | grep -c '^Tasks:'",
    ),
    (
        "machine",
        &["free", "uptime", "vmstat", "w"],
        "free -b | awk 'NR==2 {print $1, $2>0, NF}'; uptime | grep -c 'load average'; vmstat | awk 'END {print NF}'; w -h >/dev/null; echo $?; awk '{split($4,a,\"/\"); print a[1]>=1, a[2]>=a[1], NF}' /proc/loadavg",
    ),
    (
        "proc-of-a-child",
        &[],
        "A=b sleep 5 & p=$!; sleep 0.3; tr '\\0' '\\n' </proc/$p/environ | grep ^A=; tr '\\0' ' ' </proc/$p/cmdline; readlink /proc/$p/exe; cat /proc/$p/comm; ls /proc/$p/fd; [ $(readlink /proc/$p/cwd) = $PWD ] && echo same; grep -c stack /proc/$p/maps; kill $p",
    ),
];

fn main() {
    let args = suite::begin();
    let groups: [(&str, &[Script]); 5] = [
        ("shell", SHELL),
        ("tools", TOOLS),
        ("languages", LANGUAGES),
        ("procps", PROCPS),
        ("terminals", TERMINALS),
    ];
    let mut trials: Vec<Trial> = cargo().into_iter().map(Trial::from).collect();
    for (group, scripts) in groups {
        for (name, needs, script) in scripts {
            let case = Case::new(format!("{group}::{name}"), ["bash", "-c", script]).needs(needs).seconds(90);
            trials.push(case.into());
        }
    }
    suite::finish(&args, trials);
}
