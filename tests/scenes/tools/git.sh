#: needs git less
#: seconds 120
# A day with git: rebase with an editor, hooks, worktrees, bisect run, gc, clones, stash, a pager, submodules, bundles.
export HOME=$PWD GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch main; git config --global protocol.file.allow always; git config --global advice.detachedHead false
git init -q r; cd r
for i in $(seq 12); do echo $i >> f; echo "$((i > 7))" > bad; git add .; git commit -qm "c$i"; done
GIT_SEQUENCE_EDITOR="sed -i '2s/pick/squash/;3s/pick/drop/'" GIT_EDITOR='sed -i 1s/^/squashed:/' git rebase -qi HEAD~3 2>&1 | tail -n 3; git status -s; git rebase --abort; git log --format='%h %s' | head -n 4
GIT_SEQUENCE_EDITOR="sed -i '2s/pick/fixup/'" git rebase -qi HEAD~3; git log --format='%h %s' | head -n 3
git rebase -q --exec 'test -f f' HEAD~4 2>&1 | tail -n 1
git bisect start -q HEAD HEAD~9 > /dev/null; git bisect run sh -c '[ $(cat bad) = 0 ]' | grep 'first bad'; git bisect reset -q
printf '#!/bin/sh\necho "$0 $#" >&2; cat > /dev/null\n' > .git/hooks/post-commit; for h in pre-commit commit-msg post-checkout post-merge pre-push post-rewrite; do cp .git/hooks/post-commit .git/hooks/$h; done; chmod +x .git/hooks/*
git checkout -qb side HEAD~2; echo s > s; git add s; git commit -qm side 2>&1; git checkout -q main 2>&1; git merge -q -m merged side 2>&1; git commit -q --amend -m amended 2>&1
rm .git/hooks/*; printf '#!/bin/sh\nexit 1\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo z > z; git add z; git commit -qm no; echo $?; rm .git/hooks/pre-commit; git stash -q; git stash list; git stash pop -q; git status -s
git worktree add -q ../w side; git -C ../w log --oneline | wc -l; git worktree list | wc -l; git worktree remove -f ../w
git clone -q --local . ../c; git clone -q --depth 2 "file://$PWD" ../d; git -C ../d log --oneline | wc -l; git clone -q --bare . ../b.git; git push -q ../b.git main:new; git -C ../b.git branch
GIT_PAGER='less -FRX' git -p log --oneline -n 2 --color=never; git -c core.pager='cat | sed s/^/pager:/' -p branch
git gc -q --prune=now; git count-objects -v | grep -v size; git fsck; git repack -adq --threads=2 2> /dev/null; git pack-refs --all; git verify-pack .git/objects/pack/*.idx && echo verified
git grep -n --threads 2 -e '^1' HEAD -- f | head -n 2; git blame -s f | head -n 1; git diff --stat HEAD~2; git shortlog -sn HEAD; git archive HEAD | tar t | sort; git format-patch -q -1 -o ../p HEAD~1; ls ../p; git bundle create -q ../bd main; git clone -q -b main ../bd ../e; ls ../e
git -C ../c submodule --quiet add ../r sub; git -C ../c commit -qm sub; git -C ../c submodule status | cut -d' ' -f3; git cherry-pick HEAD~5 2>&1 | grep -c CONFLICT; git cherry-pick --abort; git reset -q --hard; git clean -fdq; git tag -am t v1; git describe; git rev-parse HEAD
git daemon --base-path=.. --export-all --listen=127.0.0.1 --port=9418 --reuseaddr ../r > /dev/null 2>&1 & d=$!; for i in $(seq 50); do git ls-remote -q git://127.0.0.1/r main 2> /dev/null && break; sleep 0.1; done; git clone -q git://127.0.0.1/r ../n; git -C ../n log --oneline | wc -l; kill $d; wait $d; echo $?
git filter-branch -f --msg-filter 'sed s/c/C/' HEAD~2..HEAD 2> /dev/null | tail -n 1; git log --format=%s | head -n 2; git fast-export HEAD | wc -l | sed 's/..*/some/'; git notes add -m note; git log -1 --format=%N; (cd ..; rm -rf r)
