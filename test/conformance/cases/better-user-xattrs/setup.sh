python3 - <<E
import os
os.setxattr("a.txt","user.note",b"v\0\xff")
os.setxattr("d","user.dir",b"1")
os.setxattr("d/g.txt","user.g",b"")
E
