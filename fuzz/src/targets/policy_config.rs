//! The `[policy]` section: text, what was typed, what it means.

use tamis_domain::envelope::domain_of;
use tamis_domain::policy::{Policy, Typed, WEIGHT_MAX};
use tamis_domain::status::Status;

/// Reads text as a policy. One that is accepted means the same when it is written and read again, and holds nothing that
/// could not be acted upon.
pub fn policy_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(typed) = toml::from_str::<Typed>(text) else { return };
    let Ok(policy) = Policy::try_from(typed.clone()) else { return };
    let again: Typed = serde_json::from_value(serde_json::to_value(&typed).expect("plain values"))
        .expect("what was typed can be typed again");
    assert_eq!(again, typed);
    assert_eq!(Policy::try_from(again).as_ref(), Ok(&policy));
    for group in policy.groups() {
        let rules = group.rules();
        assert!(rules.thresholds.probable_spam <= rules.thresholds.spam);
        assert!(rules.weights.values().all(|weight| weight.abs() <= WEIGHT_MAX));
        let text = &rules.reject_text;
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
        for status in Status::ALL {
            let tag = rules.subject_tag(status);
            assert!(!tag.contains(['\r', '\n', '\0']), "{tag:?}");
            let _ = rules.treatment(status);
        }
    }
    for recipient in ["", "@", "a@example.org", "A@EXAMPLE.ORG.", "a@b@sub.example.org", text] {
        let group = policy.group_for(recipient);
        assert_eq!(group, policy.group_for(recipient), "{}", domain_of(recipient));
    }
}
