//! Generates the wire code from the `.proto` files, without any program outside cargo, and compares it with what is
//! committed. `UPDATE_GENERATED=1` writes it instead. Committed code spares every build some fifty crates.

use std::path::Path;

const CONTRACTS: [&str; 3] = [
    "tamis/scan/v1/scan.proto",
    "tamis/reputation/v1/reputation.proto",
    "tamis/learning/v1/learning.proto",
];

#[test]
fn committed_code_is_what_the_contracts_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().expect("a temporary folder");
    let set =
        protox::compile(CONTRACTS.map(|file| root.join(file)), [root]).expect("valid contracts");
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .out_dir(fresh.path())
        .compile_fds(set)
        .expect("generated code");
    for package in ["tamis.scan.v1.rs", "tamis.reputation.v1.rs", "tamis.learning.v1.rs"] {
        let made = std::fs::read_to_string(fresh.path().join(package)).expect("generated file");
        let kept = root.join("src/generated").join(package);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&kept, &made).expect("writable source tree");
        }
        let committed = std::fs::read_to_string(&kept).unwrap_or_default();
        assert!(
            committed == made,
            "{} is stale: run UPDATE_GENERATED=1 cargo test -p tamis-proto",
            kept.display()
        );
    }
}
