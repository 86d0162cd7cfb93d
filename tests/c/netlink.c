//: musl
// netlink(7), rtnetlink(7), sock_diag(7), netdevice(7). Of devices and routes only those of lo are printed: the host has
// others.
#include "facts.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
static char b[1 << 16];
static struct sockaddr_nl nl(unsigned pid, unsigned groups) {
    return (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = pid, .nl_groups = groups};
}
#define NL(pid, groups) (struct sockaddr *)&(struct sockaddr_nl[]){nl(pid, groups)}, sizeof(struct sockaddr_nl)
static int made(int protocol) { return MUST(socket(AF_NETLINK, SOCK_RAW, protocol)); }
static unsigned own(int fd) {
    struct sockaddr_nl a;
    socklen_t n = sizeof a;
    MUST(getsockname(fd, (struct sockaddr *)&a, &n));
    return a.nl_pid;
}
struct ask { struct nlmsghdr h; char body[256]; };
// A request: fixed part and attributes as they come.
static struct ask ask(int type, int flags, const void *fixed, size_t n) {
    struct ask a = {.h = {.nlmsg_len = NLMSG_LENGTH(n), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 77}};
    memcpy(NLMSG_DATA(&a.h), fixed, n);
    return a;
}
static void add(struct ask *a, int type, const void *data, size_t n) {
    struct rtattr *r = (void *)((char *)a + NLMSG_ALIGN(a->h.nlmsg_len));
    r->rta_type = type;
    r->rta_len = RTA_LENGTH(n);
    memcpy(RTA_DATA(r), data, n);
    a->h.nlmsg_len = NLMSG_ALIGN(a->h.nlmsg_len) + RTA_ALIGN(r->rta_len);
}
static void show_attrs(char *at, int len, const int *wanted) {
    for (struct rtattr *r = (void *)at; RTA_OK(r, len); r = RTA_NEXT(r, len)) {
        int type = r->rta_type & 0x3fff, ok = !wanted;
        for (const int *w = wanted; w && *w; w++) ok |= *w == type;
        if (!ok) continue;
        printf("  %d", type);
        show_bytes("", RTA_DATA(r), RTA_PAYLOAD(r));
    }
}
// What of a reply is about lo.
static int about_lo(struct nlmsghdr *h, size_t *fixed, int *index) {
    *index = 0;
    switch (h->nlmsg_type) {
    case RTM_NEWLINK: *fixed = sizeof(struct ifinfomsg); *index = ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_index; return *index == 1;
    case RTM_NEWADDR: *fixed = sizeof(struct ifaddrmsg); *index = ((struct ifaddrmsg *)NLMSG_DATA(h))->ifa_index; return *index == 1;
    case RTM_NEWROUTE: {
        *fixed = sizeof(struct rtmsg);
        int len = h->nlmsg_len - NLMSG_LENGTH(*fixed);
        for (struct rtattr *r = RTM_RTA(NLMSG_DATA(h)); RTA_OK(r, len); r = RTA_NEXT(r, len))
            if (r->rta_type == RTA_OIF) *index = *(int *)RTA_DATA(r);
        // Those of link-local and multicast networks come and go with other devices.
        return *index == 1;
    }
    case RTM_NEWRULE: *fixed = sizeof(struct rtmsg); return 1;
    default: *fixed = 0; return 0;
    }
}
static const int *wanted;
static void show_reply(int fd, struct nlmsghdr *h) {
    size_t fixed;
    int index;
    int lo = about_lo(h, &fixed, &index);
    if (fixed && !lo) return;
    printf("type %d flags %x seq %d pid %s\n", h->nlmsg_type, h->nlmsg_flags, h->nlmsg_seq, h->nlmsg_pid == own(fd) ? "own" : "other");
    if (fixed) {
        show_bytes("  fixed", NLMSG_DATA(h), fixed);
        show_attrs((char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed), h->nlmsg_len - NLMSG_LENGTH(fixed), wanted);
    } else if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
        int *e = NLMSG_DATA(h);
        printf("  %s length %d\n", ename(-*e), h->nlmsg_len);
        if (h->nlmsg_type == NLMSG_ERROR) {
            struct nlmsghdr *about = (void *)(e + 1);
            printf("  about type %d flags %x seq %d length %d\n", about->nlmsg_type, about->nlmsg_flags, about->nlmsg_seq, about->nlmsg_len);
        }
    }
}
static void replies(int fd, int many) {
    for (;;) {
        long n = recv(fd, b, sizeof b, 0);
        if (n < 0) { printf("recv: %s\n", ename(errno)); return; }
        int left = n;
        for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            show_reply(fd, h);
            if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) return;
        }
        if (!many) return;
    }
}
static void request(int fd, struct ask a) {
    T(send(fd, &a, a.h.nlmsg_len, 0) == a.h.nlmsg_len);
    replies(fd, (a.h.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
}
static int route(void) {
    int fd = made(NETLINK_ROUTE);
    struct timeval t = {5, 0};
    MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    MUST(bind(fd, NL(0, 0)));
    return fd;
}
static void as_nobody(void (*f)(void)) {
    fflush(stdout);
    int pid = MUST(fork());
    if (!pid) { MUST(setuid(65534)); f(); fflush(stdout); _exit(0); }
    MUST(waitpid(pid, NULL, 0));
}

SECTION(making) {
    int fd;
    OK(socket(AF_NETLINK, SOCK_STREAM, 0));
    OK(socket(AF_NETLINK, SOCK_SEQPACKET, 0));
    OK(socket(AF_NETLINK, SOCK_RAW, 1));
    OK(socket(AF_NETLINK, SOCK_RAW, 31));
    OK(socket(AF_NETLINK, SOCK_RAW, 32));
    OK(socket(AF_NETLINK, SOCK_RAW, -1));
    OK(fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    OK(bind(fd, NL(0, 1)));
    T(recv(fd, b, sizeof b, 0));
    close(fd);
    OK(fd = socket(AF_NETLINK, SOCK_DGRAM, 0));
    int v, sv[2]; socklen_t n = sizeof v;
    MUST(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n)); N(v);
    MUST(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &n)); N(v);
    MUST(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &n)); N(v);
    T(listen(fd, 1));
    T(accept(fd, NULL, NULL));
    T(shutdown(fd, SHUT_RDWR));
    T(socketpair(AF_NETLINK, SOCK_RAW, 0, sv));
    T(ioctl(fd, FIONREAD, &v));
    struct stat s;
    MUST(fstat(fd, &s));
    X(s.st_mode);
    close(fd);
}

SECTION(names) {
    int a = made(0), c = made(0);
    struct sockaddr_nl at;
    socklen_t n = sizeof at;
    T(getsockname(a, (struct sockaddr *)&at, &n)); N(n); N(at.nl_pid); X(at.nl_groups); N(at.nl_family);
    T(getpeername(a, (struct sockaddr *)&at, &n)); N(n); N(at.nl_pid);
    T(bind(a, NL(0, 0)));
    IS(own(a) == (unsigned)getpid());
    T(bind(c, NL(0, 5)));
    IS(own(c) != (unsigned)getpid()); IS((int)own(c) < 0);
    n = sizeof at;
    MUST(getsockname(c, (struct sockaddr *)&at, &n)); X(at.nl_groups);
    T(bind(c, NL(own(c), 2)));
    T(bind(c, NL(0, 2)));
    MUST(getsockname(c, (struct sockaddr *)&at, &n)); X(at.nl_groups);
    int d = made(0);
    T(bind(d, NL(getpid(), 0)));
    T(bind(d, NL(12345678, 0))); N(own(d));
    T(bind(d, NL(87654321, 0)));
    int e = made(0);
    T(bind(e, (struct sockaddr *)&at, 11));
    at = nl(0, 0); at.nl_family = AF_INET;
    T(bind(e, (struct sockaddr *)&at, sizeof at));
    T(connect(e, NL(0, 0)));
    IS(own(e) != 0);
    T(connect(e, (struct sockaddr *)&at, sizeof at));
    at.nl_family = AF_UNSPEC;
    T(connect(e, (struct sockaddr *)&at, sizeof at));
    T(connect(e, (struct sockaddr *)&at, 1));
    at.nl_family = AF_NETLINK;
    T(connect(e, (struct sockaddr *)&at, 8));
    // The address is free again.
    close(d); d = made(0);
    T(bind(d, NL(12345678, 0)));
    close(a); close(c); close(d); close(e);
}

static void changes(void) {
    int fd = route();
    struct ifinfomsg i = {.ifi_index = 1, .ifi_flags = 0, .ifi_change = IFF_UP};
    request(fd, ask(RTM_NEWLINK, NLM_F_ACK, &i, sizeof i));
    struct ifaddrmsg m = {.ifa_family = AF_INET, .ifa_prefixlen = 8, .ifa_index = 1};
    struct ask a = ask(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &m, sizeof m);
    add(&a, IFA_LOCAL, "\x0a\0\0\1", 4);
    request(fd, a);
    struct rtmsg r = {.rtm_family = AF_INET};
    request(fd, ask(RTM_DELROUTE, 0, &r, sizeof r));
    OK(connect(fd, NL(4711, 0)));
    OK(sendto(fd, &a, a.h.nlmsg_len, 0, NL(4711, 0)));
    OK(sendto(fd, &a, a.h.nlmsg_len, 0, NL(0, 1)));
    int d = made(NETLINK_SOCK_DIAG);
    OK(bind(d, NL(0, 1)));
    OK(setsockopt(d, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){1}, 4));
    OK(setsockopt(d, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &(int){1}, 4));
    close(d);
    close(fd);
    // From now on by ioctl(2).
    fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq q = {.ifr_name = "lo"};
    OK(ioctl(fd, SIOCSIFFLAGS, &q));
    OK(ioctl(fd, SIOCSIFADDR, &q));
    OK(ioctl(fd, SIOCSIFMTU, &q));
    OK(ioctl(fd, SIOCADDRT, &q));
    strcpy(q.ifr_name, "nope");
    OK(ioctl(fd, SIOCSIFFLAGS, &q));
}
SECTION(changes_by_nobody) { as_nobody(changes); }
SECTION(no_change) {
    // What is so already.
    int fd = route();
    struct ifinfomsg i = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    request(fd, ask(RTM_NEWLINK, NLM_F_ACK, &i, sizeof i));
    struct ask a = ask(RTM_NEWLINK, NLM_F_ACK, &(struct ifinfomsg){0}, sizeof i);
    add(&a, IFLA_IFNAME, "lo", 3);
    request(fd, a);
    a = ask(RTM_NEWLINK, NLM_F_ACK, &(struct ifinfomsg){0}, sizeof i);
    add(&a, IFLA_IFNAME, "nope", 5);
    request(fd, a);
    close(fd);
}

static const int link_attrs[] = {IFLA_IFNAME, IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKMODE, IFLA_MTU, IFLA_GROUP, IFLA_PROMISCUITY,
    IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_CARRIER, IFLA_CARRIER_CHANGES, IFLA_PROTO_DOWN, IFLA_ADDRESS, IFLA_BROADCAST,
    IFLA_QDISC, IFLA_MAP, IFLA_GSO_MAX_SIZE, IFLA_GSO_MAX_SEGS, 0};
static const int addr_attrs[] = {IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_FLAGS, 0};
static const int route_attrs[] = {RTA_TABLE, RTA_DST, RTA_PREFSRC, RTA_OIF, RTA_SRC, RTA_UID, RTA_PREF, 0};

SECTION(links) {
    int fd = route();
    wanted = link_attrs;
    struct ifinfomsg i = {0};
    request(fd, ask(RTM_GETLINK, NLM_F_DUMP, &i, sizeof i));
    request(fd, ask(RTM_GETLINK, NLM_F_DUMP, &(struct rtgenmsg){0}, sizeof(struct rtgenmsg)));
    i.ifi_index = 1;
    request(fd, ask(RTM_GETLINK, 0, &i, sizeof i));
    request(fd, ask(RTM_GETLINK, NLM_F_ACK, &i, sizeof i));
    replies(fd, 0);
    i.ifi_index = 987654;
    request(fd, ask(RTM_GETLINK, 0, &i, sizeof i));
    i.ifi_index = -1;
    request(fd, ask(RTM_GETLINK, 0, &i, sizeof i));
    i.ifi_index = 0;
    request(fd, ask(RTM_GETLINK, 0, &i, sizeof i));
    request(fd, ask(RTM_GETLINK, 0, &i, 4));
    struct ask a = ask(RTM_GETLINK, 0, &i, sizeof i);
    add(&a, IFLA_IFNAME, "lo", 3);
    request(fd, a);
    a = ask(RTM_GETLINK, 0, &i, sizeof i);
    add(&a, IFLA_IFNAME, "nope", 5);
    request(fd, a);
    i.ifi_family = AF_INET6;
    request(fd, ask(RTM_GETLINK, NLM_F_DUMP, &i, sizeof i));
    close(fd);
}
SECTION(addresses) {
    int fd = route();
    wanted = addr_attrs;
    struct ifaddrmsg i = {0};
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    i.ifa_family = AF_INET;
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    request(fd, ask(RTM_GETADDR, 0, &i, sizeof i));
    i.ifa_family = AF_INET6;
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    struct ask a = ask(RTM_GETADDR, 0, &i, sizeof i);
    add(&a, IFA_ADDRESS, &in6addr_loopback, 16);
    request(fd, a);
    // Strictly: by device.
    T(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &(int){1}, 4));
    i = (struct ifaddrmsg){.ifa_index = 1};
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    i.ifa_index = 987654;
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    i = (struct ifaddrmsg){.ifa_prefixlen = 1};
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &i, sizeof i));
    request(fd, ask(RTM_GETADDR, NLM_F_DUMP, &(struct rtgenmsg){0}, sizeof(struct rtgenmsg)));
    close(fd);
}
SECTION(routes) {
    int fd = route();
    wanted = route_attrs;
    struct rtmsg i = {.rtm_family = AF_INET};
    request(fd, ask(RTM_GETROUTE, NLM_F_DUMP, &i, sizeof i));
    struct ask a = ask(RTM_GETROUTE, 0, &i, sizeof i);
    add(&a, RTA_DST, "\x7f\0\0\1", 4);
    request(fd, a);
    i.rtm_flags = RTM_F_LOOKUP_TABLE;
    a = ask(RTM_GETROUTE, 0, &i, sizeof i);
    add(&a, RTA_DST, "\x7f\1\2\3", 4);
    request(fd, a);
    i = (struct rtmsg){.rtm_family = AF_INET6};
    a = ask(RTM_GETROUTE, 0, &i, sizeof i);
    add(&a, RTA_DST, &in6addr_loopback, 16);
    request(fd, a);
    // Strictly: by table.
    T(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &(int){1}, 4));
    i = (struct rtmsg){.rtm_family = AF_INET, .rtm_table = RT_TABLE_LOCAL};
    request(fd, ask(RTM_GETROUTE, NLM_F_DUMP, &i, sizeof i));
    i.rtm_table = 77;
    request(fd, ask(RTM_GETROUTE, NLM_F_DUMP, &i, sizeof i));
    i.rtm_table = 0;
    i.rtm_type = RTN_BROADCAST;
    request(fd, ask(RTM_GETROUTE, NLM_F_DUMP, &i, sizeof i));
    close(fd);
}
SECTION(odd_requests) {
    int fd = route();
    struct rtgenmsg g = {0};
    request(fd, ask(200, NLM_F_DUMP, &g, sizeof g));
    request(fd, ask(120, 0, &g, sizeof g));
    request(fd, ask(RTM_GETADDR, 0, &g, sizeof g));
    request(fd, ask(NLMSG_NOOP, NLM_F_ACK, &g, 0));
    T(setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){1}, 4));
    request(fd, ask(200, 0, &g, sizeof g));
    // Without NLM_F_REQUEST nothing happens, nor without a body.
    struct ask a = ask(RTM_GETLINK, 0, &g, sizeof g);
    a.h.nlmsg_flags = 0;
    T(send(fd, &a, a.h.nlmsg_len, 0));
    a = ask(RTM_GETLINK, 0, &g, 0);
    T(send(fd, &a, a.h.nlmsg_len, 0));
    a = ask(RTM_GETLINK, 0, &g, sizeof g);
    a.h.nlmsg_len = 5000;
    T(send(fd, &a, 20, 0));
    a.h.nlmsg_len = 3;
    T(send(fd, &a, 20, 0));
    T(send(fd, &a, 3, 0));
    T(recv(fd, b, sizeof b, MSG_DONTWAIT));
    T(send(fd, &a, 0, 0));
    T(send(fd, &a, 20, MSG_OOB));
    T(recv(fd, b, sizeof b, MSG_OOB));
    T(sendto(fd, &a, 20, 0, NL(0, 0)));
    T(sendto(fd, &a, 20, 0, (struct sockaddr *)&(struct sockaddr_nl[]){nl(0, 0)}, 8));
    T(sendto(fd, &a, 20, 0, (struct sockaddr *)&(struct sockaddr_in[]){{.sin_family = AF_INET}}, 16));
    T(write(fd, b, sizeof b) == sizeof b);
    // Two requests in one go, each with its answer.
    struct ask two = ask(NLMSG_NOOP, NLM_F_ACK, &g, 0);
    memcpy((char *)&two + 16, &two.h, 16);
    T(send(fd, &two, 32, 0));
    replies(fd, 0);
    replies(fd, 0);
    T(recv(fd, b, sizeof b, MSG_DONTWAIT));
    close(fd);
}
SECTION(words) {
    int fd = route();
    T(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &(int){1}, 4));
    T(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &(int){1}, 4));
    struct rtmsg i = {.rtm_family = AF_INET, .rtm_table = 77};
    struct ask a = ask(RTM_GETROUTE, NLM_F_DUMP, &i, sizeof i);
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    long n = MUST(recv(fd, b, sizeof b, 0));
    struct nlmsghdr *h = (void *)b;
    printf("%ld: type %d flags %x error %s\n", n, h->nlmsg_type, h->nlmsg_flags, ename(-*(int *)NLMSG_DATA(h)));
    show_attrs(b + NLMSG_LENGTH(4), n - NLMSG_LENGTH(4), NULL);
    close(fd);
}
SECTION(receiving) {
    int fd = route();
    struct ifinfomsg i = {.ifi_index = 1};
    struct ask a = ask(NLMSG_NOOP, NLM_F_ACK, &i, 0);
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    T(poll(&p, 1, 0)); X(p.revents);
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    T(poll(&p, 1, 0)); X(p.revents);
    // As libmnl and iproute2 find out how long it is.
    struct sockaddr_nl from;
    struct iovec none = {NULL, 0};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &none, .msg_iovlen = 1};
    T(recvmsg(fd, &m, MSG_PEEK | MSG_TRUNC)); X(m.msg_flags); N(m.msg_namelen); N(from.nl_pid); X(from.nl_groups); N(from.nl_family);
    T(recv(fd, b, 10, MSG_PEEK));
    T(recv(fd, b, 10, 0));
    T(recv(fd, b, 10, MSG_DONTWAIT));
    // The end of an answer in parts comes after the parts; meanwhile no other such request.
    a = ask(RTM_GETLINK, NLM_F_DUMP, &i, 1);
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    int parts = 0, errors = 0, ends = 0;
    for (long n; (n = recv(fd, b, sizeof b, MSG_DONTWAIT)) > 0;) {
        int left = n;
        for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            parts += h->nlmsg_type == RTM_NEWLINK;
            ends += h->nlmsg_type == NLMSG_DONE;
            if (h->nlmsg_type == NLMSG_ERROR) { errors++; printf("%s\n", ename(-((struct nlmsgerr *)NLMSG_DATA(h))->error)); }
        }
    }
    IS(parts > 0); N(errors); N(ends);
    // With the group it was sent to, and who sent it.
    T(setsockopt(fd, SOL_NETLINK, NETLINK_PKTINFO, &(int){1}, 4));
    T(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, 4));
    a = ask(NLMSG_NOOP, NLM_F_ACK, &i, 0);
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    char control[200];
    struct iovec v = {b, sizeof b};
    m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    T(recvmsg(fd, &m, 0)); X(m.msg_flags); N(m.msg_controllen);
    int seen[2] = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_NETLINK) { seen[0]++; N(c->cmsg_type); N(*(int *)CMSG_DATA(c)); }
        else { seen[1]++; N(c->cmsg_type); show_bytes("credentials", (char *)CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0)); }
    }
    N(seen[0]); N(seen[1]);
    // Descriptors are for AF_UNIX.
    char cm[CMSG_SPACE(4)] = {0};
    m = (struct msghdr){.msg_iov = &(struct iovec){&a, a.h.nlmsg_len}, .msg_iovlen = 1, .msg_control = cm, .msg_controllen = sizeof cm};
    *CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    T(sendmsg(fd, &m, 0));
    close(fd);
}
SECTION(options) {
    int fd = made(0), v;
    for (int o = 0; o < 16; o++) {
        socklen_t n = sizeof v;
        v = -1;
        int r = getsockopt(fd, SOL_NETLINK, o, &v, &n);
        printf("get %d: %s %d %d\n", o, ename(r ? errno : 0), v, n);
        n = 2;
        r = getsockopt(fd, SOL_NETLINK, o, &v, &n);
        printf("get 2 bytes of %d: %s\n", o, ename(r ? errno : 0));
        printf("set %d: %s\n", o, ename(setsockopt(fd, SOL_NETLINK, o, &(int){1}, 4) ? errno : 0));
        printf("set 2 bytes of %d: %s\n", o, ename(setsockopt(fd, SOL_NETLINK, o, &(int){1}, 2) ? errno : 0));
    }
    for (int g = 0; g < 70; g++)
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g, 4) && g < 35) printf("group %d: %s\n", g, ename(errno));
    T(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &(int){2}, 4));
    T(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &(int){2}, 4));
    struct sockaddr_nl at; socklen_t n = sizeof at;
    MUST(getsockname(fd, (struct sockaddr *)&at, &n)); X(at.nl_groups);
    static const int levels[] = {0, 6, 17, 41, 263, 269, 271};
    for (int i = 0; i < 7; i++) {
        n = 4;
        int g = getsockopt(fd, levels[i], 1, &v, &n) ? errno : 0, s = setsockopt(fd, levels[i], 1, &v, 4) ? errno : 0;
        printf("level %d: %s", levels[i], ename(g)); printf(" %s\n", ename(s));
    }
    close(fd);
}
SECTION(between_processes) {
    int a = made(NETLINK_USERSOCK), c = made(NETLINK_USERSOCK);
    struct timeval t = {5, 0};
    MUST(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    MUST(bind(a, NL(0, 0)));
    MUST(bind(c, NL(0, 2)));
    T(sendto(a, "hello", 5, 0, NL(own(c), 0)));
    struct sockaddr_nl from; socklen_t n = sizeof from;
    T(recvfrom(c, b, sizeof b, 0, (struct sockaddr *)&from, &n)); IS(from.nl_pid == own(a)); X(from.nl_groups);
    T(sendto(a, "group", 5, 0, NL(0, 2)));
    T(recvfrom(c, b, sizeof b, 0, (struct sockaddr *)&from, &n)); IS(from.nl_pid == own(a)); X(from.nl_groups);
    T(sendto(a, "nobody", 6, 0, NL(7654321, 0)));
    T(sendto(a, "kernel", 6, 0, NL(0, 0)));
    // Connected to somebody else, it does not take them.
    T(connect(c, NL(7654321, 0)));
    T(sendto(a, "hello", 5, 0, NL(own(c), 0)));
    T(connect(c, NL(own(a), 0)));
    T(sendto(a, "hello", 5, 0, NL(own(c), 0)));
    T(send(c, "back", 4, 0));
    T(recv(a, b, sizeof b, MSG_DONTWAIT));
    T(getpeername(c, (struct sockaddr *)&from, &n)); IS(from.nl_pid == own(a));
    int small = 2304, sent = 0;
    MUST(setsockopt(c, SOL_SOCKET, SO_RCVBUF, &small, 4));
    while (sent < 1000 && sendto(a, b, 100, MSG_DONTWAIT, NL(own(c), 0)) == 100) sent++;
    printf("full: %s\n", ename(errno)); IS(sent > 0 && sent < 100);
    close(a); close(c);
}

SECTION(library) {
    struct ifaddrs *all;
    T(getifaddrs(&all));
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "lo")) continue;
        printf("%s flags %x", i->ifa_name, i->ifa_flags);
        char ip[64] = "";
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
            printf(" %s", inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, ip, sizeof ip));
            printf("/%s", inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_netmask)->sin_addr, ip, sizeof ip));
        } else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
            printf(" %s", inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, ip, sizeof ip));
            printf("/%s", inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_netmask)->sin6_addr, ip, sizeof ip));
        } else if (i->ifa_addr) {
            printf(" family %d data %s", i->ifa_addr->sa_family, i->ifa_data ? "yes" : "no");
        }
        putchar('\n');
    }
    freeifaddrs(all);
    struct if_nameindex *names = if_nameindex();
    for (struct if_nameindex *i = names; i && i->if_index; i++)
        if (i->if_index == 1) printf("%d %s\n", i->if_index, i->if_name);
    if_freenameindex(names);
    T(if_nametoindex("lo"));
    T(if_nametoindex("nope"));
    printf("%s\n", if_indextoname(1, b));
    T(if_indextoname(987654, b) == NULL);
    struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG | AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (T(getaddrinfo("127.0.0.1", "80", &hints, &found)) == 0) { N(found->ai_family); freeaddrinfo(found); }
    if (T(getaddrinfo("::1", "80", &hints, &found)) == 0) { N(found->ai_family); freeaddrinfo(found); }
}
static void device_by(int family, int type) {
    int fd = MUST(socket(family, type, 0));
    static const struct { const char *name; unsigned long n; size_t len; } all[] = {
#define C(n, len) {#n, n, len}
        C(SIOCGIFINDEX, 4), C(SIOCGIFFLAGS, 2), C(SIOCGIFMTU, 4), C(SIOCGIFHWADDR, 16), C(SIOCGIFMETRIC, 4), C(SIOCGIFTXQLEN, 4),
        C(SIOCGIFMAP, 24), C(SIOCGIFADDR, 16), C(SIOCGIFNETMASK, 16), C(SIOCGIFBRDADDR, 16), C(SIOCGIFDSTADDR, 16), C(SIOCGIFMEM, 4),
        C(SIOCGIFSLAVE, 4), C(0x8999, 4), C(SIOCGIFNAME, 0),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct ifreq q;
        memset(&q, 0x5a, sizeof q);
        strcpy(q.ifr_name, "lo");
        if (all[i].n == SIOCGIFNAME) q.ifr_ifindex = 1;
        int r = ioctl(fd, all[i].n, &q);
        printf("%s: %s", all[i].name, ename(r ? errno : 0));
        if (r == 0) { printf(" %s", q.ifr_name); show_bytes("", (char *)&q + 16, all[i].len); } else putchar('\n');
        strcpy(q.ifr_name, "nope");
        q.ifr_ifindex = 987654;
        if (all[i].n == SIOCGIFNAME) q.ifr_ifindex = 987654;
        printf("  of no device: %s\n", ename(ioctl(fd, all[i].n, &q) ? errno : 0));
        printf("  nowhere: %s\n", ename(ioctl(fd, all[i].n, (void *)8) ? errno : 0));
    }
    close(fd);
}
SECTION(device) {
    puts("IPv4"); device_by(AF_INET, SOCK_DGRAM);
    puts("IPv6"); device_by(AF_INET6, SOCK_STREAM);
    puts("unix"); device_by(AF_UNIX, SOCK_STREAM);
    puts("netlink"); device_by(AF_NETLINK, SOCK_RAW);
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq q[30];
    struct ifconf c = {.ifc_len = sizeof q, .ifc_req = q};
    T(ioctl(fd, SIOCGIFCONF, &c));
    IS(c.ifc_len >= (int)sizeof *q && c.ifc_len % sizeof *q == 0);
    printf("%s %s\n", q[0].ifr_name, inet_ntoa(((struct sockaddr_in *)&q[0].ifr_addr)->sin_addr));
    c.ifc_len = 39;
    T(ioctl(fd, SIOCGIFCONF, &c)); N(c.ifc_len);
    c.ifc_req = NULL;
    T(ioctl(fd, SIOCGIFCONF, &c)); IS(c.ifc_len > 0);
    c = (struct ifconf){.ifc_len = -1, .ifc_req = q};
    T(ioctl(fd, SIOCGIFCONF, &c));
    close(fd);
}

// The sockets of this program among all.
static void diag(int fd, void *fixed, size_t n, unsigned inode) {
    struct ask a = ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, fixed, n);
    MUST(send(fd, &a, a.h.nlmsg_len, 0));
    for (;;) {
        long got = MUST(recv(fd, b, sizeof b, 0));
        int left = got;
        for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE) return;
            if (h->nlmsg_type == NLMSG_ERROR) { printf("%s\n", ename(-*(int *)NLMSG_DATA(h))); return; }
            if (*(unsigned char *)NLMSG_DATA(h) == AF_UNIX) {
                struct unix_diag_msg *m = NLMSG_DATA(h);
                if (m->udiag_ino != inode) continue;
                printf("type %d state %d\n", m->udiag_type, m->udiag_state);
                static const int known[] = {UNIX_DIAG_NAME, UNIX_DIAG_RQLEN, UNIX_DIAG_SHUTDOWN, 0};
                show_attrs((char *)(m + 1), h->nlmsg_len - NLMSG_LENGTH(sizeof *m), inode ? known : NULL);
                continue;
            }
            struct inet_diag_msg *m = NLMSG_DATA(h);
            if (m->idiag_inode != inode) continue;
            printf("family %d state %d timer %d source %x port %s destination %x port %s rqueue %d wqueue %d uid %d\n", m->idiag_family, m->idiag_state,
                   m->idiag_timer, m->id.idiag_src[0], m->id.idiag_sport ? "some" : "none", m->id.idiag_dst[0], m->id.idiag_dport ? "some" : "none",
                   m->idiag_rqueue, m->idiag_wqueue > 5 ? 6 : m->idiag_wqueue, m->idiag_uid);
        }
    }
}
static unsigned inode(int fd) { struct stat s; MUST(fstat(fd, &s)); return s.st_ino; }
SECTION(sockets) {
    int fd = made(NETLINK_SOCK_DIAG), sv[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    MUST(write(sv[1], "abc", 3));
    struct unix_diag_req u = {.sdiag_family = AF_UNIX, .udiag_states = -1, .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN | UDIAG_SHOW_PEER};
    diag(fd, &u, sizeof u, inode(sv[0]));
    int s = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "\0fncall-netlink-test"};
    MUST(bind(s, (struct sockaddr *)&at, sizeof at));
    MUST(listen(s, 7));
    diag(fd, &u, sizeof u, inode(s));
    u.udiag_states = 1 << 1;
    diag(fd, &u, sizeof u, inode(s));
    close(s);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001)}};
    socklen_t n = sizeof in;
    s = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(s, (struct sockaddr *)&in, sizeof in));
    struct inet_diag_req_v2 i = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = -1 & ~(1 << 13)};
    MUST(listen(s, 7));
    diag(fd, &i, sizeof i, inode(s));
    MUST(getsockname(s, (struct sockaddr *)&in, &n));
    int c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(c, (struct sockaddr *)&in, sizeof in));
    int d = MUST(accept(s, NULL, NULL));
    MUST(write(c, "abcd", 4));
    diag(fd, &i, sizeof i, inode(c));
    diag(fd, &i, sizeof i, inode(d));
    shutdown(c, SHUT_WR);
    // The other side takes its time to acknowledge it.
    usleep(200000);
    diag(fd, &i, sizeof i, inode(c));
    diag(fd, &i, sizeof i, inode(d));
    i.idiag_states = 1 << 10;
    diag(fd, &i, sizeof i, inode(c));
    int udp = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    MUST(bind(udp, (struct sockaddr *)&in6, sizeof in6));
    i = (struct inet_diag_req_v2){.sdiag_family = AF_INET6, .sdiag_protocol = IPPROTO_UDP, .idiag_states = -1};
    diag(fd, &i, sizeof i, inode(udp));
    // What is none.
    struct sock_diag_req q = {.sdiag_family = 46};
    diag(fd, &q, sizeof q, 0);
    q.sdiag_family = AF_UNIX;
    diag(fd, &q, sizeof q, 0);
    diag(fd, &q, 1, 0);
    close(fd);
}
// The table's line about this socket, without numbers that differ.
static void line_of(const char *path, unsigned inode, int column) {
    FILE *f = fopen(path, "r");
    if (!f) { printf("%s: %s\n", path, ename(errno)); return; }
    char line[600], copy[600];
    while (fgets(line, sizeof line, f)) {
        strcpy(copy, line);
        char *at = copy, *word;
        for (int i = 0; (word = strsep(&at, " \n"));) {
            if (!*word) continue;
            if (i++ == column && (unsigned)atoi(word) == inode) {
                char local[99], remote[99], state[9], queues[99];
                if (sscanf(line, "%*d: %98s %98s %8s %98s", local, remote, state, queues) == 4) {
                    *strchr(local, ':') = 0; *strchr(remote, ':') = 0;
                    printf("%s: %s %s %s %s length %zu\n", path, local, remote, state, queues, column == 9 && !strchr(path, '6') ? strlen(line) : 0);
                } else printf("%s: found\n", path);
            }
        }
    }
    fclose(f);
}
SECTION(tables) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001)}};
    socklen_t n = sizeof in;
    int s = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(s, (struct sockaddr *)&in, sizeof in));
    MUST(listen(s, 7));
    MUST(getsockname(s, (struct sockaddr *)&in, &n));
    int c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(c, (struct sockaddr *)&in, sizeof in));
    line_of("/proc/net/tcp", inode(s), 9);
    int d = MUST(accept(s, NULL, NULL));
    MUST(write(c, "abcd", 4));
    line_of("/proc/net/tcp", inode(s), 9);
    line_of("/proc/net/tcp", inode(c), 9);
    line_of("/proc/net/tcp", inode(d), 9);
    line_of("/proc/self/net/tcp6", inode(d), 9);
    int udp = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    MUST(bind(udp, (struct sockaddr *)&in6, sizeof in6));
    line_of("/proc/net/udp6", inode(udp), 9);
    int u4 = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    in.sin_port = 0;
    MUST(bind(u4, (struct sockaddr *)&in, sizeof in));
    line_of("/proc/net/udp", inode(u4), 9);
    int k = made(0);
    line_of("/proc/net/netlink", inode(k), 9);
    static const char *heads[] = {"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix", "netlink", "packet", "arp", "route", "dev", NULL};
    for (int i = 0; heads[i]; i++) {
        char path[64], line[600] = "";
        snprintf(path, sizeof path, "/proc/net/%s", heads[i]);
        FILE *f = fopen(path, "r");
        if (!f || !fgets(line, sizeof line, f)) printf("%s: %s\n", path, ename(errno));
        printf("%s: %s", heads[i], line);
        if (f) fclose(f);
    }
    FILE *f = fopen("/proc/net/if_inet6", "r");
    char line[600];
    while (f && fgets(line, sizeof line, f)) if (strstr(line, " lo")) fputs(line, stdout);
    if (f) fclose(f);
}
