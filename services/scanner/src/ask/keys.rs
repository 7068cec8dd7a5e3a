//! A new key for sealed questions: the line that the scanner's file and the servers' file have in common.

use tamis_domain::digest::hex;

/// Draws a key: a key id, the key, and the name for people to read. No line end. The same line stands in the file of the
/// client and among those of its servers. `name` must not hold a line end.
///
/// # Errors
/// The system has no randomness: ours, and nothing can be done without it.
pub fn new_line(name: &str) -> Result<String, getrandom::Error> {
    let (mut id, mut key) = ([0; 8], [0; 32]);
    getrandom::fill(&mut id)?;
    getrandom::fill(&mut key)?;
    Ok(format!("{} {} {name}", hex(&id), hex(&key)))
}

#[cfg(test)]
mod tests {
    use tamis_reputation_protocol::seal::{Key, Keys};

    use super::*;

    #[test]
    fn both_sides_read_the_line_and_no_two_are_alike() {
        let (one, two) = (new_line("mx1.example").unwrap(), new_line("mx2.example").unwrap());
        assert!(one.starts_with(&Key::parse(&one).unwrap().id().to_string()));
        assert_eq!(Keys::parse(&format!("{one}\n{two}\n")).unwrap().len(), 2);
        assert_ne!(one.split(' ').nth(1), two.split(' ').nth(1));
    }
}
