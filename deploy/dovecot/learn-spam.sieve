# A mail was moved into Junk: it is spam.
require ["copy", "environment", "imapsieve", "variables", "vnd.dovecot.pipe"];

if environment :matches "imap.user" "*" {
  set "user" "${1}";
}
pipe :copy "tamis-learn" ["spam", "${user}"];
