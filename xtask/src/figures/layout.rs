//! Where the programs of one measurement listen: free ports, one configuration file, one folder.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::machine::{Folder, Running, free_port};

/// One configuration for every role. All else is left at its default, which is what is promised.
pub(super) struct Layout {
    folder: Folder,
    file: String,
    pub(super) smtp: u16,
    pub(super) edge_admin: u16,
    pub(super) scanner: u16,
    pub(super) reputation: u16,
    pub(super) reputation_grpc: u16,
}

impl Layout {
    /// Ports for everything; judged mail goes to `next_hop`.
    pub(super) fn new(next_hop: u16) -> Result<Self> {
        let folder = Folder::new()?;
        let file = folder.path().join("tamis.toml");
        let layout = Self {
            file: file.display().to_string(),
            folder,
            smtp: free_port()?,
            edge_admin: free_port()?,
            scanner: free_port()?,
            reputation: free_port()?,
            reputation_grpc: free_port()?,
        };
        fs::write(file, layout.text(next_hop)?)?;
        Ok(layout)
    }

    fn text(&self, next_hop: u16) -> Result<String> {
        let Self { smtp, edge_admin, scanner, reputation, reputation_grpc, .. } = self;
        let [all, scanner_admin, reputation_admin] = [free_port()?, free_port()?, free_port()?];
        let folder = self.folder.path().display();
        // The limits of one source would be measured, and not the server; and one client asks for all.
        // The longest deadline: a load of big mails on a small machine shall wait, not be turned away.
        Ok(format!(
            "[all]\nadmin = \"127.0.0.1:{all}\"\n\
             [edge]\nmilter = \"\"\nlmtp = \"\"\nsmtp = \"127.0.0.1:{smtp}\"\n\
             admin = \"127.0.0.1:{edge_admin}\"\nnext_hop = \"127.0.0.1:{next_hop}\"\n\
             scanners = [\"http://127.0.0.1:{scanner}\"]\nspool_dir = \"{folder}\"\n\
             deadline_ms = 90000\n\
             [scanner]\nlisten = \"127.0.0.1:{scanner}\"\nadmin = \"127.0.0.1:{scanner_admin}\"\n\
             reputation = [\"127.0.0.1:{reputation}\"]\n\
             [reputation]\nlisten = \"127.0.0.1:{reputation}\"\n\
             grpc = \"127.0.0.1:{reputation_grpc}\"\nadmin = \"127.0.0.1:{reputation_admin}\"\n\
             answers_per_second = 0\nreporters_needed = 1\n"
        ))
    }

    /// Starts a role of `tamis`, or with no role a program that has one alone, and waits for its port.
    pub(super) fn start(&self, program: &Path, role: Option<&str>, port: u16) -> Result<Running> {
        let mut running = self.exec(program, role)?;
        running.opened(port)?;
        Ok(running)
    }

    /// Starts it and does not wait.
    pub(super) fn exec(&self, program: &Path, role: Option<&str>) -> Result<Running> {
        let words: Vec<&str> = role.into_iter().chain(["--config", self.file.as_str()]).collect();
        Running::start(program, &words, &self.folder)
    }
}
