#: needs redis-check-rdb redis-benchmark
# redis: a server in the background, many clients, a snapshot by fork, and its end. (One program under several names.)
ln -s "$(command -v redis-check-rdb)" redis-server
./redis-server --port 7777 --bind 127.0.0.1 --unixsocket "$PWD/s" --dir "$PWD" --daemonize no --pidfile "$PWD/pid" --logfile log > /dev/null &
server=$!
r() { redis-cli -p 7777 "$@"; }
for i in $(seq 100); do r ping 2> /dev/null | grep -q PONG && break; sleep 0.1; done
r set a 1; r incr a; r -x set big < <(seq 100000) > /dev/null; r strlen big; redis-cli -s s lpush l 1 2 3; r lrange l 0 -1
redis-benchmark -p 7777 -n 2000 -c 20 -t set,get,lpush -q 2>&1 | tr '\r' '\n' | grep -c 'requests per second'
(r blpop q 20 > popped) & popper=$!; sleep 0.3; r rpush q x > /dev/null; wait $popper; cat popped
r bgsave; for i in $(seq 100); do [ -s dump.rdb ] && break; sleep 0.1; done; r eval 'return redis.call("get", KEYS[1])' 1 a; r config set appendonly yes; for i in $(seq 100); do r info persistence | grep -q 'aof_rewrite_in_progress:0' && break; sleep 0.1; done
r shutdown nosave; wait $server; echo $?; [ -e pid ]; echo $?; redis-check-rdb dump.rdb | grep -o 'RDB looks OK'; rm -f redis-server
