//! Stories that fraud tells in every language: each phrase alone stands in honest letters, several together do not.

use std::collections::HashMap;
use std::sync::LazyLock;

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::letters::is_alphanumeric;
use tamis_domain::reading::Text;

/// Bytes of text that are searched. Letters of this kind are a few pages; longer texts are reports.
const SEARCHED_BYTES_MAX: usize = 64 * 1024;

/// One kind of story.
struct Story {
    name: &'static str,
    what: &'static str,
    /// Weight from this number of different phrases on, the largest number first.
    weights: &'static [(usize, f32)],
    phrases: &'static [&'static str],
}

/// Phrases in folded text, own selection. Each begins with a word.
const STORIES: [Story; 5] = [
    Story {
        name: "advance_fee",
        what: "phrases of the advance-fee fraud",
        weights: &[(6, 6.0), (5, 5.0), (4, 4.0), (3, 2.0)],
        phrases: &[
            "next of kin",
            "million united states dollars",
            "million us dollars",
            "million dollars",
            "usd)",
            "beneficiary",
            "inheritance",
            "barrister",
            "deceased",
            "diplomat",
            "consignment",
            "atm card",
            "western union",
            "bank draft",
            "foreign account",
            "transfer of funds",
            "fund transfer",
            "strictly confidential",
            "utmost confidentiality",
            "security company",
            "late husband",
            "foreign partner",
            "dear friend",
            "your full name",
            "claim your",
            "god bless",
            // German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech
            "millionen us-dollar",
            "millionen euro",
            "verstorbenen",
            "nachlass",
            "begunstigte",
            "begünstigte",
            "millions de dollars",
            "millions d'euros",
            "heritage",
            "défunt",
            "bénéficiaire",
            "don de dieu",
            "millones de dólares",
            "herencia",
            "beneficiario",
            "difunto",
            "fallecido",
            "donación de",
            "milioni di dollari",
            "milioni di euro",
            "eredità",
            "defunto",
            "milhões de dólares",
            "herança",
            "falecido",
            "miljoen dollar",
            "erfenis",
            "overleden",
            "milionów dolarów",
            "spadku",
            "spadek",
            "zmarły",
            "milionů dolarů",
            "dědictví",
            "zesnulý",
            "миллионов долларов",
            "наследство",
            "бенефициар",
        ],
    },
    Story {
        name: "extortion",
        what: "phrases of extortion with recordings or stolen data",
        weights: &[(5, 5.0), (4, 4.0), (3, 2.5)],
        phrases: &[
            "your webcam",
            "your camera",
            "your device",
            "your contacts",
            "your password is",
            "adult website",
            "adult sites",
            "porn",
            "masturbat",
            "recorded you",
            "recorded a video",
            "this video",
            "bitcoin wallet",
            "bitcoin address",
            "btc wallet",
            "transfer bitcoin",
            "send bitcoin",
            "in bitcoin",
            "48 hours",
            "50 hours",
            "24 hours",
            "72 hours",
            "hacked your",
            "trojan",
            "malware on",
            "remote access",
            "i have access to",
            "full access to",
            "your relatives",
            "perv",
            "deine webcam",
            "ihre webcam",
            "ihre kamera",
            "ihr gerät",
            "ihre kontakte",
            "stunden zeit",
            "votre webcam",
            "vos contacts",
            "votre appareil",
            "tu cámara",
            "su cámara",
            "sus contactos",
            "tus contactos",
            "la tua webcam",
            "i tuoi contatti",
            "sua câmera",
            "seus contatos",
            "twoje kontakty",
            "twoja kamera",
        ],
    },
    Story {
        name: "mailbox_threat",
        what: "phrases that threaten to close a mailbox or account",
        weights: &[(4, 3.0), (3, 2.0), (2, 0.8)],
        phrases: &[
            "mailbox is full",
            "mailbox is almost full",
            "mailbox quota",
            "mailbox storage",
            "storage limit",
            "exceeded your",
            "verify your account",
            "verify your email",
            "verify your mailbox",
            "confirm your account",
            "confirm your identity",
            "validate your",
            "revalidate",
            "re-validate",
            "upgrade your mailbox",
            "account will be closed",
            "account will be suspended",
            "account has been suspended",
            "account has been limited",
            "account suspension",
            "will be deactivated",
            "will be terminated",
            "password expires",
            "password will expire",
            "password has expired",
            "keep same password",
            "keep current password",
            "pending messages",
            "undelivered messages",
            "held messages",
            "incoming messages",
            "unusual activity",
            "unusual sign-in",
            "suspicious activity",
            "avoid suspension",
            "avoid deactivation",
            "avoid closure",
            "email administrator",
            "mail administrator",
            "webmail team",
            "it helpdesk",
            "failure to do so",
            "click below to",
            "has been locked",
            "has been restricted",
            "account on hold",
            "account is on hold",
            "restore access",
            "restore your account",
            "reactivate your",
            "verify your identity",
            "verify your information",
            "verify your wallet",
            "update your billing",
            "update your payment",
            "report the user",
            "recovery phrase",
            "seed phrase",
            "wallet will be",
            "could not be delivered",
            "unpaid customs",
            "within 24 hours",
            "within 48 hours",
            "konto wird gesperrt",
            "konto vorübergehend",
            "identität bestätigen",
            "paket konnte nicht",
            "ihr konto wurde",
            "konto gesperrt",
            "konto bestätigen",
            "daten bestätigen",
            "postfach ist",
            "votre compte a été",
            "votre compte sera",
            "compte est suspendu",
            "vos informations de paiement",
            "votre colis",
            "boîte mail",
            "vérifier votre compte",
            "su cuenta ha sido",
            "su cuenta será",
            "cuenta suspendida",
            "cuenta bloqueada",
            "confirme su identidad",
            "verificar su cuenta",
            "actualizar su",
            "buzón está",
            "il tuo account",
            "suo conto",
            "suo account",
            "account è stato",
            "uw account is",
            "uw rekening",
            "uw pakket",
            "verificare il suo",
            "sua conta foi",
            "sua conta será",
            "conta bloqueada",
            "conta suspensa",
            "seus pontos",
            "pontos expiram",
            "atualização cadastral",
            "atualize seus dados",
            "confirme seus dados",
            "twoje konto zostało",
            "konto zostanie",
            "twoja paczka",
            "váš účet",
            "ваш аккаунт",
            "ваша учетная запись",
        ],
    },
    Story {
        name: "loan_offer",
        what: "phrases of loans and funding for anybody",
        weights: &[(4, 3.0), (3, 2.0), (2, 0.8)],
        phrases: &[
            "loan offer",
            "we offer loans",
            "business loan",
            "personal loan",
            "loan at",
            "interest rate of",
            "2% interest",
            "3% interest",
            "low interest rate",
            "loan amount",
            "amount needed",
            "loan duration",
            "apply for a loan",
            "urgent loan",
            "project funding",
            "bad credit",
            "investment loan",
            "loan company",
            "darlehen zwischen",
            "kredit zwischen",
            "zinssatz von",
            "prêt entre",
            "offre de prêt",
            "prêt de",
            "taux d'intérêt de",
            "préstamo de",
            "oferta de préstamo",
            "tasa de interés de",
            "prestito tra",
            "offerta di prestito",
            "tasso di interesse del",
            "empréstimo de",
            "pożyczki od",
            "oprocentowanie",
            "půjčka",
            "půjčku",
            "úvěr",
        ],
    },
    Story {
        name: "task_from_the_boss",
        what: "phrases of a boss who needs a favour in secret",
        weights: &[(4, 2.5), (3, 1.5)],
        phrases: &[
            "are you available",
            "are you at your desk",
            "are you free",
            "quick task",
            "quick favor",
            "quick favour",
            "gift cards",
            "scratch off",
            "scratch the back",
            "itunes card",
            "i'm in a meeting",
            "i am in a meeting",
            "can't talk",
            "cannot talk",
            "personal cell",
            "cell phone number",
            "your whatsapp number",
            "keep this confidential",
            "reimburse you",
            "wire transfer",
            "direct deposit",
            "change my bank",
            "update my bank",
            "next payroll",
        ],
    },
];

/// A phrase, its story and its number there.
type Told = (&'static str, usize, usize);

/// Phrases by their first word.
static BY_WORD: LazyLock<HashMap<&'static str, Vec<Told>>> = LazyLock::new(|| {
    let mut by_word: HashMap<&'static str, Vec<_>> = HashMap::new();
    for (story, told) in STORIES.iter().enumerate() {
        for (number, phrase) in told.phrases.iter().enumerate() {
            by_word.entry(first_word(phrase)).or_default().push((*phrase, story, number));
        }
    }
    by_word
});

/// Places of [`BEGINS`].
const PLACES: usize = 1 << 12;

/// Whether any first word of a phrase has this place.
static BEGINS: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let mut begins = vec![false; PLACES];
    BY_WORD.keys().for_each(|word| begins[place(word)] = true);
    begins
});

/// A number that the length, the first and the last bytes of a word give.
fn place(word: &str) -> usize {
    let bytes = word.as_bytes();
    let [first, second] = [0, 1].map(|at| bytes.get(at).map_or(0, |it| usize::from(*it)));
    let last = bytes.last().map_or(0, |it| usize::from(*it));
    (first * 31 + second * 97 + last * 389 + bytes.len() * 1031) % PLACES
}

/// Judges the text of one part.
#[must_use]
pub fn judge(text: &Text) -> Vec<Evidence> {
    let end = text.folded.floor_char_boundary(SEARCHED_BYTES_MAX);
    let counts = count(&text.folded[..end]);
    let told = STORIES.iter().zip(counts).filter_map(|(story, count)| {
        let (_, weight) = story.weights.iter().find(|(least, _)| count >= *least)?;
        let detail = format!("{count} {}", story.what);
        Some(Evidence::new(story.name, *weight, Source::Text, detail))
    });
    told.collect()
}

/// Different phrases of each story.
fn count(text: &str) -> [usize; STORIES.len()] {
    let mut seen = [0_u128; STORIES.len()];
    let (mut rest, by_word, begins) = (text, &*BY_WORD, &*BEGINS);
    while let Some(first) = rest.chars().next() {
        let word = first_word(rest);
        if word.is_empty() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        // Nearly all words begin no phrase, which their first bytes say.
        if begins.get(place(word)).is_some_and(|it| *it)
            && let Some(phrases) = by_word.get(word)
        {
            for (phrase, story, number) in phrases {
                if rest.starts_with(phrase) {
                    seen[*story] |= 1 << number;
                }
            }
        }
        rest = &rest[word.len()..];
    }
    seen.map(|bits| bits.count_ones() as usize)
}

/// The letters and digits that a text begins with.
fn first_word(text: &str) -> &str {
    let ascii = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let end = match text.as_bytes().get(ascii) {
        None | Some(..=0x7f) => ascii,
        Some(_) => {
            let other = text[ascii..].find(|c: char| !is_alphanumeric(c));
            other.map_or(text.len(), |at| ascii + at)
        }
    };
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_fit_into_the_set_of_their_story_and_begin_with_a_word() {
        for story in &STORIES {
            assert!(story.phrases.len() <= 128, "{}", story.name);
            assert!(story.phrases.iter().all(|phrase| !first_word(phrase).is_empty()));
            assert!(story.phrases.iter().all(|phrase| *phrase == phrase.to_lowercase()));
        }
    }

    #[test]
    fn each_story_is_told_in_its_language_and_a_phrase_counts_once() {
        for (text, expect) in [
            ("the beneficiary, a barrister and the next of kin", Some("advance_fee")),
            ("beneficiary beneficiary beneficiary", None),
            ("herencia de millones de dólares del fallecido", Some("advance_fee")),
            ("in bitcoin within 48 hours, your webcam", Some("extortion")),
            ("your mailbox is full. verify your account", Some("mailbox_threat")),
            ("oferta de préstamo con tasa de interés de 3% interest", Some("loan_offer")),
            ("are you available? quick task: gift cards", Some("task_from_the_boss")),
            ("", None),
        ] {
            let text = Text { folded: text.to_owned(), ..Text::default() };
            let found = judge(&text);
            assert_eq!(found.first().map(|found| found.name.as_ref()), expect, "{}", text.folded);
        }
    }
}
