# A mail was moved out of Junk: it is wanted, unless it was thrown away.
require ["copy", "environment", "imapsieve", "variables", "vnd.dovecot.pipe"];

if environment :is "imap.mailbox" ["Trash", "Deleted Items"] {
  stop;
}
if environment :matches "imap.user" "*" {
  set "user" "${1}";
}
pipe :copy "tamis-learn" ["ham", "${user}"];
