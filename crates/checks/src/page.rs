//! What an HTML page does besides showing text: forms, scripts, words that nobody can see.

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::reading::Page;

/// Characters hidden in one of the deliberate ways from which on they are words and not a gap or a preview line.
const HIDDEN_CHARS_MIN: u32 = 200;

/// Judges one page.
#[must_use]
pub fn judge(page: &Page) -> Vec<Evidence> {
    let hidden = |chars: u32| chars >= HIDDEN_CHARS_MIN;
    let found = [
        (
            hidden(page.coloured_chars),
            "text_coloured_away",
            0.5,
            "text in the colour of its ground",
        ),
        (hidden(page.tiny_chars), "text_tiny", 0.5, "text too small to be read"),
        (hidden(page.away_chars), "text_off_screen", 0.5, "text off the screen"),
        (page.password_fields > 0, "form_password", 2.5, "a form that asks for a password"),
        (page.forms > 0, "form", 0.1, "a form to fill in within the mail"),
        (page.scripts > 0, "page_script", 0.2, "a script, which no mail program runs"),
        (page.refreshes, "page_refresh", 1.5, "a page that sends its reader on by itself"),
        (page.carried > 0, "page_carried", 1.5, "a page carried within an address"),
        // Nearly all newsletters have one: told, but no fault.
        (
            page.pixels > 0,
            "tracking_pixel",
            0.0,
            "a picture that nobody can see, for counting readers",
        ),
    ];
    let there = found.into_iter().filter(|(there, ..)| *there);
    there.map(|(_, name, weight, what)| Evidence::new(name, weight, Source::Text, what)).collect()
}
