#!/usr/bin/env bash
# Functions that the code does not use: unbounded, unchecked or the embedder's business.
set -u
cd "$1" || exit 1
bad=0
for word in strcpy sprintf vsprintf strtok atoi alloca gets; do
	grep -rnE "\b$word\(" lib cli --include='*.[ch]' && bad=1
done
for word in getenv setenv chdir umask setrlimit sigaction signal fork system popen; do
	grep -rnE "[^a-z_.>]$word\(" lib --include='*.[ch]' && bad=1
done
for word in '__thread' '_Thread_local'; do
	grep -rnE "\b$word\b" lib --include='*.[ch]' && bad=1
done
exit $bad
