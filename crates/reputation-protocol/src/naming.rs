//! From content to signature: the only names of a mail's content that leave the site.
//!
//! `value = BLAKE3-derive-key(context of the kind, material), first 16 bytes` (BLAKE3 paper, section 2.3, mode
//! `derive_key`). The context separates the kinds, so that one 128-bit space serves all: the same material under two
//! kinds gives two unrelated values. 128 bits: among 2^32 signatures of other people's content a random value is found
//! listed with probability 2^-96.

use tamis_domain::digest::{PartDigest, Signature, SignatureKind};

/// The context string of a kind: part of the protocol, never changed; a new naming gets a new string.
#[must_use]
pub const fn context(kind: SignatureKind) -> &'static str {
    match kind {
        SignatureKind::Part => "tamis reputation v1 part",
        SignatureKind::Text => "tamis reputation v1 text",
        SignatureKind::Html => "tamis reputation v1 html",
        SignatureKind::Link => "tamis reputation v1 link",
        SignatureKind::Attachment => "tamis reputation v1 attachment",
        SignatureKind::Image => "tamis reputation v1 image",
        SignatureKind::Sender => "tamis reputation v1 sender",
    }
}

/// Exact bytes of any part. Material: the 32 bytes of its digest.
#[must_use]
pub fn part(digest: &PartDigest) -> Signature {
    named(SignatureKind::Part, &digest.0)
}

/// Exact value of a text part, to go with its sketch. Material: the 32 bytes of its digest.
#[must_use]
pub fn text(digest: &PartDigest) -> Signature {
    named(SignatureKind::Text, &digest.0)
}

/// Content of an attachment. Material: the 32 bytes of its digest.
#[must_use]
pub fn attachment(digest: &PartDigest) -> Signature {
    named(SignatureKind::Attachment, &digest.0)
}

/// Skeleton of an HTML part. Material: the skeleton's bytes as the reader of HTML gives them.
#[must_use]
pub fn html(skeleton: &[u8]) -> Signature {
    named(SignatureKind::Html, skeleton)
}

/// Perceptual name of an image. Material: the name's bytes as the reader of images gives them.
#[must_use]
pub fn image(perceptual: &[u8]) -> Signature {
    named(SignatureKind::Image, perceptual)
}

/// Host and path of a link, without scheme, user, port, query and fragment: `shop.example/offer`.
///
/// Material: [`link_material`] of the argument.
#[must_use]
pub fn link(host_and_path: &str) -> Signature {
    named(SignatureKind::Link, link_material(host_and_path).as_bytes())
}

/// A sender's address or domain. Material: ASCII lower case of it, UTF-8.
#[must_use]
pub fn sender(address: &str) -> Signature {
    named(SignatureKind::Sender, address.to_ascii_lowercase().as_bytes())
}

/// What is hashed of a link, so that trivially different spellings meet: query and fragment are cut at the first `?`
/// or `#`; the host (up to the first `/`) is put into ASCII lower case and loses trailing dots; the path keeps its case
/// and loses trailing slashes.
#[must_use]
pub fn link_material(host_and_path: &str) -> String {
    let end = host_and_path.find(['?', '#']).unwrap_or(host_and_path.len());
    let kept = host_and_path.get(..end).unwrap_or_default();
    let (host, path) = kept.split_at(kept.find('/').unwrap_or(kept.len()));
    let mut material = host.trim_end_matches('.').to_ascii_lowercase();
    material.push_str(path.trim_end_matches('/'));
    material
}

fn named(kind: SignatureKind, material: &[u8]) -> Signature {
    let digest = blake3::derive_key(context(kind), material);
    let mut value = [0; 16];
    value.copy_from_slice(&digest[..16]);
    Signature { kind, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_fixed_because_other_sites_compute_them_too() {
        let digest = PartDigest([0x11; 32]);
        for (signature, golden) in [
            (part(&digest), "part:7bb70b1c6f1a5d001f90de36fa9c834c"),
            (text(&digest), "text:ad3a9b8f922e835e33eb97223b8eaa1f"),
            (attachment(&digest), "attachment:11e4c0c6f4b7d18f1f4669c226826ea0"),
            (html(b"html/body/p"), "html:71c7cc0c79876bf44eb16b88d99155a3"),
            (image(&[1, 2, 3, 4, 5, 6, 7, 8]), "image:a39b7fcf595abd17d26d0fced106a603"),
            (link("shop.example/offer"), "link:46b764a60c58b3df9baa86ee47555852"),
            (sender("news@shop.example"), "sender:14d2dc4fcfdf3c827b5f3a7fad5e85d7"),
        ] {
            assert_eq!(signature.to_string(), golden);
        }
    }

    #[test]
    fn kinds_share_one_space_without_meeting() {
        let digest = PartDigest([0x11; 32]);
        assert_ne!(part(&digest).value, text(&digest).value);
        assert_ne!(part(&digest).value, attachment(&digest).value);
    }

    #[test]
    fn trivially_different_spellings_of_a_link_meet() {
        for spelling in [
            "Shop.Example/offer",
            "shop.example./offer/",
            "shop.example/offer?id=7",
            "shop.example/offer#top",
            "shop.example/offer//?x",
        ] {
            assert_eq!(link(spelling), link("shop.example/offer"), "{spelling}");
        }
        for other in ["shop.example/Offer", "shop.example", "example/offer", ""] {
            assert_ne!(link(other), link("shop.example/offer"), "{other}");
        }
        assert_eq!(link("shop.example/"), link("shop.example"));
        assert_eq!(link_material("?only a query"), "");
    }

    #[test]
    fn senders_meet_in_lower_case() {
        assert_eq!(sender("News@Shop.Example"), sender("news@shop.example"));
    }
}
