mkdir s && echo 1 > s/f && tar --sort=name --mtime=@1577934245 --owner=0 --group=0 -c s | gzip -n > t.tar.gz && rm -r s
