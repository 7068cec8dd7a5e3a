//! Tests with real programs. `./test` installs them and makes the roots; `./test e2e FILTER` runs some.
//! One binary, since each is a large link.

mod mails;
mod never_lose_mail;
mod operations;
mod peers;
mod postfix;
mod postfix_queue;
mod redis_memory;
mod sendmail;
