#: needs go gcc
#: seconds 240
# Go: goroutines, os/exec, servers on the loopback, signals, the race detector, go test and go vet.
export HOME=$PWD GOCACHE=$PWD/.c GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
mkdir m; cd m; printf 'module m\n\ngo 1.19\n' > go.mod
cat > a.go <<'G'
package main

import ("bufio"; "bytes"; "context"; "errors"; "fmt"; "io"; "net"; "net/http"; "os"; "os/exec"; "os/signal"; "runtime"; "sort"; "sync"; "sync/atomic"; "syscall"; "time")

func Sum(n int) int { var s int64; var w sync.WaitGroup; for i := 0; i < n; i++ { w.Add(1); go func(i int) { defer w.Done(); atomic.AddInt64(&s, int64(i)) }(i) }; w.Wait(); return int(s) }
func main() {
	fmt.Println(Sum(10000))
	c := make(chan int); go func() { for i := 0; i < 1000; i++ { c <- i }; close(c) }(); t := 0; for x := range c { t += x }; fmt.Println(t)
	cmd := exec.Command("tr", "a-z", "A-Z"); cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte("abc"), 100000)); o, e := cmd.Output(); fmt.Println(len(o), e)
	var ee *exec.ExitError; e = exec.Command("sh", "-c", "echo no >&2; exit 3").Run(); fmt.Println(errors.As(e, &ee), ee.ExitCode())
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond); fmt.Println(exec.CommandContext(ctx, "sleep", "20").Run()); cancel()
	cmd = exec.Command("sleep", "20"); cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}; cmd.Start(); syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); fmt.Println(cmd.Wait())
	var w sync.WaitGroup; r := make([]string, 20); for i := range r { w.Add(1); go func(i int) { defer w.Done(); b, _ := exec.Command("echo", fmt.Sprint(i*i)).Output(); r[i] = string(bytes.TrimSpace(b)) }(i) }; w.Wait(); fmt.Println(r)
	l, e := net.Listen("tcp", "127.0.0.1:0"); if e != nil { panic(e) }
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { io.Copy(w, q.Body) }))
	sizes := make([]int, 30); for i := range sizes { w.Add(1); go func(i int) { defer w.Done(); p, e := http.Post("http://"+l.Addr().String(), "x/y", bytes.NewReader(make([]byte, i*3000))); if e != nil { fmt.Println(e); return }; b, _ := io.ReadAll(p.Body); p.Body.Close(); sizes[i] = len(b) }(i) }; w.Wait(); fmt.Println(sizes)
	u, e := net.Listen("unix", "sock"); fmt.Println(e); go func() { k, _ := u.Accept(); k.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); _, e := k.Read(make([]byte, 1)); fmt.Fprintln(k, errors.Is(e, os.ErrDeadlineExceeded)); k.Close() }(); k, _ := net.Dial("unix", "sock"); s, _ := bufio.NewReader(k).ReadString('\n'); fmt.Print(s)
	p, _ := net.ListenPacket("udp", "127.0.0.1:0"); q, _ := net.Dial("udp", p.LocalAddr().String()); q.Write([]byte("dgram")); b := make([]byte, 9); n, _, _ := p.ReadFrom(b); fmt.Println(string(b[:n]))
	sig := make(chan os.Signal, 1); signal.Notify(sig, syscall.SIGUSR1, os.Interrupt); syscall.Kill(os.Getpid(), syscall.SIGUSR1); fmt.Println(<-sig)
	tk := time.NewTicker(5 * time.Millisecond); for i := 0; i < 5; i++ { <-tk.C }; tk.Stop(); runtime.GC(); for i := 0; i < 8; i++ { go func() { x := make([][]byte, 0); for j := 0; j < 200; j++ { x = append(x, make([]byte, 10000)) }; sort.Slice(x, func(a, b int) bool { return a < b }) }() }; runtime.GC(); var ms runtime.MemStats; runtime.ReadMemStats(&ms); fmt.Println(ms.NumGC >= 2)
	func() { defer func() { fmt.Println(recover()) }(); var z *int; *z = 1 }()
	f, _ := os.CreateTemp("", "x"); fmt.Fprint(f, "temp"); f.Close(); d, _ := os.ReadFile(f.Name()); fmt.Println(string(d)); os.Remove(f.Name()); h, _ := os.Hostname(); fmt.Println(h != "", runtime.NumCPU() > 0); os.Exit(7)
}
G
printf 'package main\nimport "testing"\nfunc TestSum(t *testing.T) { t.Parallel(); if Sum(10) != 45 { t.Fail() } }\nfunc TestBad(t *testing.T) { t.Parallel(); t.Error("bad") }\nfunc BenchmarkSum(b *testing.B) { for i := 0; i < b.N; i++ { Sum(5) } }\n' > a_test.go
go build -o a . && ./a; echo $?
go vet . ; go test . 2>&1 | sed 's/[0-9.]*s)*$//'; go test -run Sum -bench . -benchtime 10x . | grep -c ns/op
go list -f '{{.Name}} {{len .Imports}}' .; gofmt -l . | sort
mkdir ../r; cd ../r; printf 'module r\n\ngo 1.19\n' > go.mod
printf 'package main\nimport "sync"\nfunc main() { n := 0; var w sync.WaitGroup; for i := 0; i < 4; i++ { w.Add(1); go func() { n++; w.Done() }() }; w.Wait(); println(n > 0) }\n' > r.go
go build -race -o r . && ./r 2>&1 | grep -c 'WARNING: DATA RACE'; echo ${PIPESTATUS[0]}
printf 'package main\nfunc main() { c := make(chan int); <-c }\n' > r.go; go run . 2>&1 | head -n 1; printf 'package main\nfunc f(n int) int { return f(n+1) + 1 }\nfunc main() { f(0) }\n' > r.go; go run . 2>&1 | grep -c 'stack overflow'
rm -rf ../.c
