//! Colours of CSS and of HTML attributes, as far as telling ink from ground needs them.

/// What an element is painted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// A colour: red, green, blue.
    Plain([u8; 3]),
    /// Nothing: what is painted cannot be seen.
    Nothing,
    /// A picture, a gradient, a name nobody here knows: no judgement.
    Unknown,
}

/// Difference in each of red, green and blue up to which no person tells two colours apart.
const ALIKE_MAX: u8 = 8;

/// Colours by name that mails use for hiding, and the opposite of those (CSS Color 4 section 6.1). The others are
/// unknown, which hides nothing.
const NAMED: [(&str, [u8; 3]); 14] = [
    ("black", [0, 0, 0]),
    ("blue", [0, 0, 255]),
    ("ghostwhite", [248, 248, 255]),
    ("gray", [128, 128, 128]),
    ("green", [0, 128, 0]),
    ("grey", [128, 128, 128]),
    ("ivory", [255, 255, 240]),
    ("navy", [0, 0, 128]),
    ("red", [255, 0, 0]),
    ("silver", [192, 192, 192]),
    ("snow", [255, 250, 250]),
    ("white", [255, 255, 255]),
    ("whitesmoke", [245, 245, 245]),
    ("yellow", [255, 255, 0]),
];

impl Paint {
    /// White paper, on which everything is written where nothing else is said.
    pub(super) const PAPER: Self = Self::Plain([255; 3]);
    /// Black ink.
    pub(super) const INK: Self = Self::Plain([0; 3]);

    /// Reads a colour in lower case and without blanks.
    pub(super) fn read(value: &str) -> Self {
        let value = value.trim_end_matches("!important");
        if let Some(digits) = value.strip_prefix('#') {
            return hexadecimal(digits).map_or(Self::Unknown, Self::Plain);
        }
        if let Some(rest) = value.strip_prefix("rgba(").or_else(|| value.strip_prefix("rgb(")) {
            return by_numbers(rest);
        }
        if value == "transparent" {
            return Self::Nothing;
        }
        match NAMED.binary_search_by(|(name, _)| name.cmp(&value)) {
            Ok(at) => Self::Plain(NAMED[at].1),
            // Browsers read `bgcolor=ffffff` as a colour.
            Err(_) => hexadecimal(value).map_or(Self::Unknown, Self::Plain),
        }
    }

    /// Whether a person cannot tell ink of this paint from the ground.
    pub(super) fn is_lost_on(self, ground: Self) -> bool {
        match (self, ground) {
            (Self::Nothing, _) => true,
            (Self::Plain(ink), Self::Plain(ground)) => {
                ink.iter().zip(ground).all(|(a, b)| a.abs_diff(b) <= ALIKE_MAX)
            }
            _ => false,
        }
    }
}

fn hexadecimal(digits: &str) -> Option<[u8; 3]> {
    let digit = |at: usize| digits.get(at..=at).and_then(|d| u8::from_str_radix(d, 16).ok());
    match digits.len() {
        3 => Some([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17]),
        6 => Some([
            digit(0)? * 16 + digit(1)?,
            digit(2)? * 16 + digit(3)?,
            digit(4)? * 16 + digit(5)?,
        ]),
        _ => None,
    }
}

/// `255,255,255)` or `255,255,255,0.5)`, after the bracket.
fn by_numbers(rest: &str) -> Paint {
    let mut numbers = rest.trim_end_matches(')').split([',', '/']).map(str::parse::<f32>);
    let mut next = || numbers.next().and_then(Result::ok);
    let (Some(red), Some(green), Some(blue)) = (next(), next(), next()) else {
        return Paint::Unknown;
    };
    match next() {
        Some(alpha) if alpha < 0.05 => Paint::Nothing,
        Some(alpha) if alpha < 1.0 => Paint::Unknown,
        // `as` cuts what is out of range, as CSS does.
        _ => Paint::Plain([red, green, blue].map(|channel| channel as u8)),
    }
}
