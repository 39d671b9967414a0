//! A world, a server, and commands that are run against them.

use std::path::PathBuf;
use std::process::Output;

use tokio::runtime::Runtime;
use trustline::net::sftp::ServeConfig;

use crate::folder::World;
use crate::golden::{command, transcript};
use crate::lab::{self, Lab, PASSWORD, USER};

pub(crate) struct Session {
    pub(crate) world: World,
    pub(crate) lab: Option<Lab>,
    pub(crate) runtime: Runtime,
    /// What follows `sftp://`.
    pub(crate) at: String,
    password: PathBuf,
    port: u16,
    said: String,
}

impl Session {
    pub(crate) fn start() -> Self {
        Self::with(lab::config())
    }

    pub(crate) fn with(config: ServeConfig) -> Self {
        let runtime = Runtime::new().unwrap();
        let lab = runtime.block_on(Lab::with(config));
        let world = World::init();
        // Beside the world, so that the world is what the commands make of it.
        let password = world.dir().with_file_name("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        Self {
            world,
            at: format!("{USER}@{}/bulk", lab.address),
            port: lab.address.port(),
            lab: Some(lab),
            runtime,
            password,
            said: String::new(),
        }
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("the server runs")
    }

    /// `bulk`, with what the line leaves out: the world after the command's name, then the server
    /// and the password.
    pub(crate) fn bulk(&mut self, line: &str) -> Output {
        let password = format!(" --password-file {}", self.password.display());
        self.bulk_as(line, &password)
    }

    /// The same with another way to log in.
    pub(crate) fn bulk_as(&mut self, line: &str, login: &str) -> Output {
        let (action, rest) = line.split_once(' ').unwrap();
        let dir = self.world.path();
        let server = format!("--server sftp://{}", self.at);
        let line = format!("bulk {action} {dir} {rest} {server}{login}");
        let args: Vec<_> = line.split_whitespace().collect();
        let output = command(&args)
            .env_remove("TRUSTLINE_SFTP_PASSWORD")
            .output()
            .unwrap();
        self.said.push_str(&transcript(&line, &output));
        output
    }

    /// The same; it must end with this exit code.
    pub(crate) fn ends(&mut self, line: &str, code: i32) -> String {
        let output = self.bulk(line);
        let both = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(both).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    /// A command that fails, which must leave the folder as it was.
    pub(crate) fn fails(&mut self, line: &str, code: i32, expected: &str) {
        let before = self.world.files();
        let said = self.ends(line, code);
        assert!(said.contains(expected), "{line}: {said}");
        assert!(self.world.files() == before, "{line} changed the folder");
    }

    /// All that was printed, without what differs from run to run.
    pub(crate) fn said(&self) -> String {
        self.said
            .replace(self.world.path(), "DIR")
            .replace(self.password.to_str().unwrap(), "PASSWORD")
            .replace(&self.port.to_string(), "PORT")
    }
}
