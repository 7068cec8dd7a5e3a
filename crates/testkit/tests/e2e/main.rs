//! Tests with real programs. `./test` installs them and makes the roots; `./test e2e FILTER` runs some.
//! One binary, since each is a large link.

mod peers;
mod redis_memory;
