//! Perl, Lua, shells without children, and `#!` scripts.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fncall_tests::case::Case;

use crate::{Collection, garden};

pub fn languages(all: &mut Collection) {
    let perl: &[(&str, &str)] = &[
        ("hello", "print \"hello\\n\""),
        (
            "regex",
            "open F,'words'; my %h; while(<F>){ $h{$1}++ if /(\\d) line/ } print map {\"$_ $h{$_}\\n\"} sort keys %h",
        ),
        (
            "files",
            "mkdir 'nd'; open F,'>nd/f'; print F 'x' x 5000; close F; print -s 'nd/f', ' ', join(',',sort glob('*')), \"\\n\"; rename 'nd/f','g'; unlink 'words'; rmdir 'nd' or die; print -e 'nd' ? 1:0, \"\\n\"; symlink 'g','s'; print readlink('s'), \"\\n\"",
        ),
        ("sort", "open F,'words'; print sort { ($a =~ /^(\\d+)/)[0] <=> ($b =~ /^(\\d+)/)[0] } <F>"),
        (
            "modules",
            "use Digest::SHA qw(sha256_hex); use File::Find; use Data::Dumper; $Data::Dumper::Sortkeys=1; print sha256_hex('x'), \"\\n\"; my @f; find(sub{push @f,$File::Find::name},'dir'); print Dumper([sort @f])",
        ),
        (
            "signals",
            "$SIG{ALRM}=sub{print \"alarm\\n\"; die \"done\\n\"}; eval { alarm 1; select(undef,undef,undef,5) }; print $@; $SIG{USR1}=sub{print \"usr1\\n\"}; kill USR1=>$$; print \"end\\n\"",
        ),
        ("die", "$!=3; die 'reason'"),
        ("sprintf", "printf \"%.10f %e %g %s\\n\", 3.14159265358979, 1e100, 0.1, 2**0.5"),
    ];
    for (name, program) in perl {
        all.both(
            |full| garden(Case::new(full, ["perl", "-e", program])).needs(&["perl"]),
            &format!("perl::{name}"),
        );
    }
    let lua: &[(&str, &str)] = &[
        ("hello", "print('hello', _VERSION)"),
        (
            "tables",
            "local t={} for i=1,100000 do t[i]=i*i%1009 end table.sort(t) print(t[1],t[50000],t[100000])",
        ),
        (
            "files",
            "local f=assert(io.open('out','w')) f:write(('x'):rep(100000)) f:close() print(io.open('out'):seek('end')) os.rename('out','in') print(os.remove('in'), io.open('in')) for l in io.lines('a.txt') do io.write('[',l,']') end print()",
        ),
        (
            "strings",
            "print(('hello world'):gsub('o','0'), string.format('%5.2f %q', 3.14159, 'a\\nb'), #string.rep('ab',1000))",
        ),
        ("error", "error('boom')"),
        (
            "coroutines",
            "local c=coroutine.wrap(function() for i=1,3 do coroutine.yield(i) end end) print(c(),c(),c())",
        ),
        (
            "os",
            "print(os.getenv('TZ'), os.date('!%Y-%m-%d',0), os.clock()>=0, os.time{year=2000,month=1,day=1,hour=0})",
        ),
        ("exit", "os.exit(9)"),
    ];
    for (name, program) in lua {
        all.both(
            |full| garden(Case::new(full, ["lua5.4", "-e", program])).needs(&["lua5.4"]),
            &format!("lua::{name}"),
        );
    }
    all.both(|n| garden(Case::new(n, ["dash", "-c", "x=0; for f in *; do x=$((x+1)); done; echo $x; echo one > new; echo two >> new; while read l; do echo \"got $l\"; done < new; cd dir; [ -f one ] && echo yes; umask 077; : > private; set -- a b c; echo $# \"$*\"; exit 3"])).needs(&["dash"]), "dash::builtins");
    all.both(|n| garden(Case::new(n, ["bash", "-c", "a=(1 2 3); echo ${#a[@]} ${a[@]/2/x}; printf '%s\\n' *; [[ words =~ ^w.r ]] && echo match; echo text > new; read -r l < new; echo \"$l\"; mapfile -t m < a.txt; echo ${#m[@]}; echo $((2**62)); declare -A h=([k]=v); echo ${h[k]}; exit 4"])).needs(&["bash"]), "bash::builtins");
}

pub fn scripts(all: &mut Collection) {
    let script = |name: &'static str, text: &'static str| {
        move |dir: &Path| -> io::Result<()> {
            fs::write(dir.join(name), text)
                .and_then(|()| fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)))
        }
    };
    all.add(
        Case::new("script::dash", ["./s", "one", "two words"])
            .needs(&["dash"])
            .setup(script("s", "#!/bin/dash\necho \"$0 $# $1 $2\"\nexit 6\n")),
    );
    all.add(Case::new("script::option", ["./s", "x"]).setup(script("s", "#! /bin/echo  -n  two words \n")));
    all.add(
        Case::new("script::python", ["./s", "x"])
            .needs(&["python3"])
            .setup(script("s", "#!/usr/bin/python3 -I\nimport sys\nprint(sys.argv)\n")),
    );
    all.add(
        Case::new("script::busybox", ["./s", "/"])
            .needs(&["busybox"])
            .setup(script("s", "#!/bin/busybox ls\n")),
    );
    all.add(
        Case::new("script::chain", ["./a", "x"])
            .setup(script("a", "#!./b A\n"))
            .setup(script("b", "#!/bin/echo B\n")),
    );
    all.add(
        Case::new("script::perl", ["./s"])
            .needs(&["perl"])
            .setup(script("s", "#!/usr/bin/perl -w\nprint \"$0\\n\"; print __FILE__, \"\\n\";\n")),
    );
    all.add(
        Case::new("script::env", ["./s", "arg"])
            .needs(&["python3"])
            .setup(script("s", "#!/usr/bin/env python3\nimport sys\nprint(len(sys.argv))\n")),
    );
    all.add(
        Case::new("script::awk", ["./s", "data"])
            .needs(&["mawk"])
            .file("data", "a b\nc d\n")
            .setup(script("s", "#!/usr/bin/mawk -f\n{ print $2 }\n")),
    );
}
