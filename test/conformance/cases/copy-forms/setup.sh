mkdir "e mpty"
