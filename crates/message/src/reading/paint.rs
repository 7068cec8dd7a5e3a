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
            return with_alpha(digits);
        }
        if let Some(rest) = value.strip_prefix("rgba(").or_else(|| value.strip_prefix("rgb(")) {
            return by_numbers(rest);
        }
        if let Some(rest) = value.strip_prefix("hsla(").or_else(|| value.strip_prefix("hsl(")) {
            return by_lightness(rest);
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

/// Digits behind `#`; four or eight have the alpha last (CSS Color 4, section 5.2).
fn with_alpha(digits: &str) -> Paint {
    let (colour, alpha) = match digits.len() {
        4 | 8 if digits.is_ascii() => digits.split_at(digits.len() / 4 * 3),
        _ => (digits, "f"),
    };
    match (hexadecimal(colour), alpha) {
        (Some(_), "0" | "00" | "01" | "02") => Paint::Nothing,
        (Some(colour), "f" | "ff") => Paint::Plain(colour),
        _ => Paint::Unknown,
    }
}

/// `255,255,255)`, `100%,100%,100%)`, `255 255 255/0.5)` or `255,255,255,0.5)`, after the bracket. Blanks are commas here.
fn by_numbers(rest: &str) -> Paint {
    let Some(([red, green, blue], alpha)) = numbers(rest) else { return Paint::Unknown };
    let channel = |(number, is_share): (f32, bool)| {
        // `as` cuts what is out of range, as CSS does.
        (if is_share { (number * 2.55).round() } else { number }) as u8
    };
    seen_through(alpha, [red, green, blue].map(channel))
}

/// `0,0%,100%)` and so on: black, white and grey are told by their lightness, other hues are not known here.
fn by_lightness(rest: &str) -> Paint {
    let Some(([_, (saturation, _), (light, _)], alpha)) = numbers(rest) else {
        return Paint::Unknown;
    };
    let is_grey = saturation <= 0.0 || light <= 0.0 || light >= 100.0;
    if is_grey || alpha < 0.05 {
        seen_through(alpha, [(light * 2.55).round() as u8; 3])
    } else {
        Paint::Unknown
    }
}

fn seen_through(alpha: f32, colour: [u8; 3]) -> Paint {
    if alpha < 0.05 {
        Paint::Nothing
    } else if alpha < 1.0 {
        Paint::Unknown
    } else {
        Paint::Plain(colour)
    }
}

/// Three numbers, and whether each is a share of a hundred; and the alpha, which is 1 where nothing is said.
fn numbers(rest: &str) -> Option<([(f32, bool); 3], f32)> {
    let rest = rest.trim_end_matches(')');
    let mut all = rest.split([',', '/']).filter(|number| !number.is_empty()).map(|number| {
        let (digits, is_share) = match number.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (number.strip_suffix("deg").unwrap_or(number), false),
        };
        digits.parse::<f32>().ok().map(|number| (number, is_share))
    });
    let colour = [all.next()??, all.next()??, all.next()??];
    let alpha = match all.next() {
        None => 1.0,
        Some(alpha) => {
            alpha.map(|(number, is_share)| if is_share { number / 100.0 } else { number })?
        }
    };
    Some((colour, alpha))
}
