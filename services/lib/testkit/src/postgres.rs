//! Debian's PostgreSQL, unpacked by `.ci/test-servers`, on a socket of its own, as an ordinary user.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A running server; it ends with the value.
pub struct Postgres {
    server: Child,
    folder: TempDir,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // "Immediate shutdown": the children end with it.
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.server.wait();
    }
}

/// PostgreSQL refuses to run as root, as containers do.
fn as_somebody(program: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(program);
    command
}

impl Postgres {
    /// Begins to start it: it answers a little later.
    pub fn start() -> Self {
        let usr = crate::test_servers().join("usr").canonicalize().unwrap();
        let mut versions = fs::read_dir(usr.join("lib/postgresql")).unwrap();
        let version = versions.next().unwrap().unwrap().file_name();
        let folder = tempfile::tempdir().unwrap();
        let chmod = Command::new("chmod").arg("777").arg(folder.path()).status();
        assert!(chmod.unwrap().success());
        // Somebody may not look into the folder where root keeps its clone.
        let copied = Command::new("sh")
            .args(["-ec", "mkdir -p usr/share && cp -a \"$1/lib\" usr/ && cp -a \"$1/share/postgresql\" usr/share/", "sh"])
            .arg(usr)
            .current_dir(folder.path())
            .status();
        assert!(copied.unwrap().success());
        let usr = folder.path().join("usr");
        let programs = usr.join("lib/postgresql").join(version).join("bin");
        let libraries = usr.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
        let data = folder.path().join("data");
        let made = as_somebody(&programs.join("initdb"))
            .args(["--auth=trust", "--username=autoscaler", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(folder.path())
            .env("LD_LIBRARY_PATH", &libraries)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        let server = as_somebody(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .current_dir(folder.path())
            .env("LD_LIBRARY_PATH", &libraries)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { server, folder }
    }

    /// Of a database there; `postgres` is there from the beginning.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://autoscaler@{folder}/{database}")
    }
}
