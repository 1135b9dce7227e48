//! A name that is no longer known, and then is again.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::Shell;
use crate::front::Manner;
use crate::load::Load;
use crate::{READS, Stage, all_are_healthy, recovered};

const NAMES: [&str; 3] = ["one.grid.test", "two.grid.test", "three.grid.test"];

/// A file of names and their addresses in the place of the system's, for the programs that are started with it.
struct Hosts {
    folder: TempDir,
}

impl Hosts {
    fn new() -> Self {
        let hosts = Self { folder: TempDir::new().unwrap() };
        hosts.know(&NAMES);
        // Whom the file does not know nobody knows, and nobody waits for a name server.
        fs::write(hosts.path("nsswitch.conf"), "hosts: files\n").unwrap();
        hosts
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Written in place, since it is the file that is mounted, not its name. The lines of names that stay known stay as they are, so that who
    /// reads meanwhile finds those.
    fn know(&self, names: &[&str]) {
        let line = |name| format!("{}27.0.0.1 {name}\n", if names.contains(name) { "1" } else { "#" });
        let file = fs::File::options().create(true).truncate(false).write(true).open(self.path("hosts")).unwrap();
        file.write_all_at(NAMES.iter().map(line).collect::<String>().as_bytes(), 0).unwrap();
    }

    /// What a program's command line begins with to be started so: in a mount namespace of its own.
    fn prefix(&self) -> Vec<String> {
        let mount = |file: &str| format!("mount --bind '{}' /etc/{file} && ", self.path(file).display());
        let script = format!("{}{}exec \"$0\" \"$@\"", mount("hosts"), mount("nsswitch.conf"));
        ["unshare", "--mount", "--map-root-user", "sh", "-c", &script].map(str::to_owned).to_vec()
    }

    /// Whether this machine lets us.
    fn work(&self) -> bool {
        let prefix = self.prefix();
        let found = Command::new(&prefix[0]).args(&prefix[1..]).args(["getent", "hosts", NAMES[0]]).output();
        found.is_ok_and(|found| found.status.success() && String::from_utf8_lossy(&found.stdout).contains(NAMES[0]))
    }
}

#[test]
fn a_name_that_goes_away_costs_nothing_and_comes_back() {
    let hosts = Hosts::new();
    if !hosts.work() {
        eprintln!(
            "LEFT OUT: a name that goes away is not covered by this test, since this machine allows no namespaces to its user"
        );
        return;
    }
    let stage = Stage::new();
    let load = Load::prepare(&stage.storages[0]);
    let prefix = hosts.prefix();
    let launcher: Vec<&str> = prefix.iter().map(String::as_str).collect();
    let mut edge = Shell::launch_by(&launcher, TempDir::new().unwrap(), &stage.edge(NAMES), &["-console=none"], Stdio::null());
    edge.wait_until_ready();
    load.run(&edge, || {
        load.go_on(READS, "at first");
        assert!(stage.fronts.iter().all(|front| front.answered() > 0), "all names are known at first");
        hosts.know(&NAMES[1..]);
        // Its connections end too: the machine has moved.
        stage.fronts[0].behave(Manner::Dead);
        load.go_on(READS, "one name of 3 is gone");
        // Somebody else may be at the old address now.
        stage.fronts[0].behave(Manner::Well);
        let before = stage.fronts[0].connections();
        load.go_on(READS, "one name of 3 is gone, and its address is there");
        assert_eq!(stage.fronts[0].connections(), before, "nobody goes to an address whose name is gone");
        hosts.know(&NAMES);
        recovered(&load, &stage.fronts[..1], "one name of 3 was gone");
        load.wait_until("all are healthy", || all_are_healthy(&edge));
    });
    load.check(&stage.storages[0], &stage.arrivals);
    edge.wait_for_output("the name was not found");
}
