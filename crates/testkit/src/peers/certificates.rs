//! Throw-away certificates, made by the openssl program.

use super::process::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate and its key, as files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate authority of one test.
#[derive(Clone, Debug)]
pub struct Authority {
    directory: PathBuf,
    own: Certificate,
}

impl Authority {
    /// Makes an authority whose files live in `directory`.
    ///
    /// # Panics
    /// When openssl is missing or refuses.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let own = files(directory, "authority");
        run(request(&own)
            .args(["-x509", "-days", "2", "-subj", "/CN=Test Authority"])
            .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
            .arg("-out")
            .arg(&own.certificate));
        Self { directory: directory.to_owned(), own }
    }

    /// The authority's certificate: what the other side has to trust.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.own.certificate
    }

    /// Issues a certificate for `name`, valid as server and client, for localhost and 127.0.0.1.
    ///
    /// # Panics
    /// When openssl refuses.
    #[must_use]
    pub fn issue(&self, name: &str) -> Certificate {
        self.issue_for_days(name, 2)
    }

    /// As `issue`, with an end in so many days; with a negative number it has ended.
    ///
    /// # Panics
    /// When openssl refuses.
    #[must_use]
    pub fn issue_for_days(&self, name: &str, days: i32) -> Certificate {
        let issued = files(&self.directory, name);
        let question = self.directory.join(format!("{name}.csr"));
        let extensions = self.directory.join(format!("{name}.ext"));
        let wanted = format!(
            "subjectAltName=DNS:localhost,DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\n\
             extendedKeyUsage=serverAuth,clientAuth\n"
        );
        fs::write(&extensions, wanted)
            .unwrap_or_else(|error| panic!("{}: {error}", extensions.display()));
        run(request(&issued).args(["-subj", &format!("/CN={name}")]).arg("-out").arg(&question));
        run(Command::new("openssl")
            .args(["x509", "-req", "-days", &days.to_string(), "-CAcreateserial", "-in"])
            .arg(&question)
            .arg("-CA")
            .arg(&self.own.certificate)
            .arg("-CAkey")
            .arg(&self.own.key)
            .arg("-extfile")
            .arg(&extensions)
            .arg("-out")
            .arg(&issued.certificate));
        issued
    }
}

fn files(directory: &Path, name: &str) -> Certificate {
    Certificate {
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    }
}

fn request(to: &Certificate) -> Command {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-keyout"])
        .arg(&to.key);
    command
}
