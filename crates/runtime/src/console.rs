//! What is said to whoever started the program.

use std::fmt;
use std::io::{self, Write};

/// Writes one line to the standard output and hands it over at once. A reader that has gone away (`| head -1`, a terminal
/// that was closed) misses it and nothing else happens: neither a service nor a command dies of nobody listening.
pub fn say(line: fmt::Arguments<'_>) {
    say_to(&mut io::stdout().lock(), line);
}

fn say_to(out: &mut impl Write, line: fmt::Arguments<'_>) {
    // Nobody is left to be told of the failure either.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// [`console::say`](crate::console::say) with the arguments of `println!`, which panics where nobody listens.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::say(::std::format_args!($($argument)*)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_any_more_is_no_reason_to_die() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(writeln!(writer, "x").is_err(), "it is closed");
        say_to(&mut writer, format_args!("nobody hears this"));
    }
}
