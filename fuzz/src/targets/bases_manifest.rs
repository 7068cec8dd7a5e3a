//! Manifests of bases: bytes as they come, and manifests picked from the bytes.

use tamis_bases::chunks::Name;
use tamis_bases::keys::{KeyId, PublicKey, Signature, SigningKey};
use tamis_bases::label::Label;
use tamis_bases::manifest::{Endorsed, FileEntry, Manifest, Signed};
use tamis_bases::standing::{Judged, Standing};

use crate::pick::Pick;

/// Bytes -> manifest -> the same bytes, and none of it is believed without a signature. A picked manifest that can be
/// signed comes back as it was, is believed, and changed in one bit it is not.
pub fn bases_manifest(data: &[u8]) {
    let hub = SigningKey::from_seed(&[1; 32]).expect("a key");
    if let Ok(signed) = Signed::decode(data) {
        assert_eq!(signed.encode(), data, "a manifest has one form");
        let judged = judge(&signed.manifest.channel, &[hub.public()], data);
        let is_ours = hub.public().signed_manifest(&signed.statement(), &signed.signature);
        assert!(is_ours || judged.is_none(), "believed without a signature");
    }
    let mut pick = Pick::new(data);
    let manifest = manifest(&mut pick);
    let channel = manifest.channel.clone();
    let Ok(signed) = manifest.clone().sign(&hub) else { return };
    let bytes = signed.encode();
    assert_eq!(Signed::decode(&bytes).as_ref(), Ok(&signed));
    assert_eq!(judge(&channel, &[hub.public()], &bytes), Some(Judged::Newer(Box::new(signed))));
    let at = usize::from(pick.u16()) % bytes.len();
    let mut changed = bytes.clone();
    changed[at] ^= 1 << pick.below(8);
    assert_eq!(judge(&channel, &[hub.public()], &changed), None, "byte {at} does not count");
    assert_eq!(judge(&channel, &[hub.public()], &bytes[..at]), None, "cut at {at}");
}

/// As a receiver without bases at second 0, when nothing has expired.
fn judge(channel: &Label, keys: &[PublicKey], bytes: &[u8]) -> Option<Judged> {
    let standing =
        Standing { channel, keys, in_force: None, retired: &[], refused_up_to: 0, now_unix_s: 0 };
    standing.judge(bytes).ok()
}

fn label(pick: &mut Pick<'_>) -> Label {
    let characters = b"abcdefghijklmnopqrstuvwxyz0123456789._-";
    let count = 1 + pick.below(64);
    let text = (0..count).map(|at| {
        // A dot in front would make no label.
        let among = if at == 0 { &characters[..36] } else { &characters[..] };
        char::from(pick.one(among))
    });
    text.collect::<String>().parse().expect("a label")
}

fn manifest(pick: &mut Pick<'_>) -> Manifest {
    let generation = pick.u64();
    let keys = (0..pick.below(10)).map(|_| Endorsed {
        key: PublicKey([pick.byte(); 32]),
        by: KeyId(pick.array()),
        signature: Signature([pick.byte(); 64]),
    });
    let keys = keys.collect();
    let retired = (0..pick.below(4)).map(|_| PublicKey([pick.byte(); 32])).collect();
    let mut files: Vec<FileEntry> = (0..pick.below(5))
        .map(|_| FileEntry {
            name: label(pick),
            bytes: pick.u32().into(),
            whole: Name([pick.byte(); 32]),
            list: Name([pick.byte(); 32]),
        })
        .collect();
    if pick.flag() {
        files.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Manifest {
        channel: label(pick),
        generation,
        previous: generation.saturating_sub(u64::from(pick.byte())),
        created_unix_s: pick.u32().into(),
        not_after_unix_s: pick.u64(),
        keys,
        retired,
        files,
    }
}
