//! The images: made without a pull, and run as the manifests run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tamis_testkit::peers::{PEER_WAIT_MAX, own_program, wait_for};

/// What the manifests say of each container.
const RESTRICTED: [&str; 9] = [
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:size=16m",
    "--memory=256m",
    "--pids-limit=256",
    "--ulimit=nofile=4096:4096",
    "--ulimit=nproc=4096:4096",
];

/// What an image of `scratch` may have beside its program, in bytes: the C library and its loader, 3.2 MB today, and some
/// lines of names. More is something that nobody meant to ship.
const BESIDE_PROGRAM_BYTES_MAX: u64 = 4_000_000;

/// Whether an image holds its program and not much else.
fn is_lean(image_bytes: u64, program_bytes: u64) -> bool {
    (program_bytes..=program_bytes + BESIDE_PROGRAM_BYTES_MAX).contains(&image_bytes)
}

/// A store of images of one test, and what runs from it.
struct Store {
    folder: tempfile::TempDir,
    names: Vec<String>,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Others than these want cgroups that not every machine has.
        let settings = "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(folder.path().join("containers.conf"), settings).expect("a file");
        Self { folder, names: Vec::new() }
    }

    fn options(&self) -> Vec<String> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        [
            "--root".into(),
            at("root"),
            "--runroot".into(),
            at("run"),
            "--storage-driver".into(),
            "vfs".into(),
        ]
        .into()
    }

    fn podman(&self, arguments: &[&str]) -> Output {
        Command::new("podman")
            .args(self.options())
            .args(arguments)
            .env("CONTAINERS_CONF", self.folder.path().join("containers.conf"))
            .output()
            .expect("./test installs podman")
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.podman(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Builds both images of the binaries under test, on `base`.
    fn build(&self, base: &str) -> String {
        let program = PathBuf::from(own_program("tamis").get_program());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/images/build.sh");
        let output = Command::new(script)
            .arg(program.parent().expect("a folder"))
            .env("BUILDAH", format!("buildah {}", self.options().join(" ")))
            .env("BASE", base)
            .env("TAG", "test")
            .output()
            .expect("./test installs buildah");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Runs an image as the manifests do and waits until its probe says yes.
    fn run(&mut self, image: &str, arguments: &[&str], probe: &[&str]) -> String {
        let name = format!("{image}-{}", self.names.len());
        let tagged = format!("{image}:test");
        let own =
            [&["run", "-d", "--name", &name][..], &RESTRICTED, &[&tagged], arguments].concat();
        self.said(&own);
        self.names.push(name.clone());
        let program = format!("/{image}");
        let asked = [&["exec", name.as_str(), program.as_str()][..], probe].concat();
        let ready = || self.podman(&asked).status.success().then_some(());
        let log = || String::from_utf8_lossy(&self.podman(&["logs", &name]).stderr).into_owned();
        wait_for("a yes of the probe", PEER_WAIT_MAX, ready, log);
        name
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for name in &self.names {
            self.podman(&["rm", "-f", "-t", "0", name]);
        }
        // What it mounted lies in the folder that goes now.
        self.podman(&["system", "reset", "-f"]);
    }
}

/// The lines of a file of `/proc` about the first process of a container.
fn proc_of(store: &Store, name: &str, file: &str) -> String {
    let pid = store.said(&["inspect", "-f", "{{.State.Pid}}", name]);
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process")
}

#[test]
#[ignore = "needs the programs that ./test installs"]
fn images_of_scratch_run_without_root_or_a_root_to_write_to_and_end_in_good_order() {
    let mut store = Store::new();
    let built = store.build("scratch");
    assert!(built.contains("tamis:test ") && built.contains("tamis-edge:test "), "{built}");
    for (image, arguments, port) in [("tamis", &["all"][..], 9070), ("tamis-edge", &[], 9071)] {
        let tagged = format!("{image}:test");
        let user = store.said(&["image", "inspect", "-f", "{{.Config.User}}", &tagged]);
        assert_eq!(user, "65532:65532");
        let label = "{{index .Config.Labels \"org.opencontainers.image.version\"}}";
        assert_eq!(store.said(&["image", "inspect", "-f", label, &tagged]), "test");
        let size = store.said(&["image", "inspect", "-f", "{{.Size}}", &tagged]);
        let size = size.parse().expect("bytes");
        let program = fs::metadata(own_program(image).get_program()).expect("a program").len();
        println!("{image}: {size} bytes, {program} of them the program");
        assert!(is_lean(size, program), "{image} has {size} bytes, its program {program}");
        let at = format!("127.0.0.1:{port}");
        let name = store.run(image, arguments, &["probe", "ready", "--at", &at]);
        let status = proc_of(&store, &name, "status");
        for line in
            ["Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"]
        {
            assert!(status.contains(line), "{image}: {line}\n{status}");
        }
        let mounts = proc_of(&store, &name, "mountinfo");
        let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
        assert!(root.split(' ').nth(5).is_some_and(|it| it.starts_with("ro")), "{root}");
        let no = store.podman(&[
            "exec",
            &name,
            &format!("/{image}"),
            "probe",
            "ready",
            "--at",
            "127.0.0.1:1",
        ]);
        assert_eq!(no.status.code(), Some(75), "a probe that is said no to fails");
        let before = Instant::now();
        store.said(&["stop", "-t", "20", &name]);
        assert!(before.elapsed() < Duration::from_secs(15), "SIGTERM was not heard");
        assert_eq!(store.said(&["inspect", "-f", "{{.State.ExitCode}}", &name]), "0");
    }
}

#[test]
fn an_image_may_have_n_bytes_beside_its_program_and_not_one_more() {
    for (beside, expect) in
        [(0, true), (BESIDE_PROGRAM_BYTES_MAX, true), (BESIDE_PROGRAM_BYTES_MAX + 1, false)]
    {
        assert_eq!(is_lean(1_000 + beside, 1_000), expect, "{beside}");
    }
    assert!(!is_lean(999, 1_000), "part of the program is missing");
}
