ln -s d/e/f.txt l && chmod 750 d && chown 3:4 d
