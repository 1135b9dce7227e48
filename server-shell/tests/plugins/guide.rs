//! The guide docs/plugins.md, followed word for word from the empty folder to the answer.

use super::*;

/// What the guide says to type, to write and to expect.
struct Guide {
    steps: Vec<String>,
}

impl Guide {
    fn read() -> Self {
        let text = fs::read_to_string(workspace("docs/plugins.md")).unwrap();
        let text =
            common::rest_console::between(&text, "## From an empty folder to a running plugin\n", "\nA plugin that fulfils");
        let is_step = |line: &str| line.starts_with(|first: char| first.is_ascii_digit());
        let mut steps: Vec<String> = Vec::new();
        for line in text.lines().skip_while(|line| !is_step(line)) {
            if is_step(line) {
                steps.push(String::new());
            }
            let step = steps.last_mut().unwrap();
            step.push_str(line);
            step.push('\n');
        }
        assert_eq!(steps.len(), 5, "{text}");
        Self { steps }
    }

    /// The lines that are set off in a step.
    fn typed(&self, step: usize) -> String {
        let lines = self.steps[step - 1].lines().filter_map(|line| line.strip_prefix("       "));
        lines.map(|line| line.to_owned() + "\n").collect()
    }

    /// The source in a step.
    fn source(&self, step: usize) -> String {
        let source = common::rest_console::between(&self.steps[step - 1], "   ```rust\n", "   ```\n");
        source.lines().map(|line| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n").collect()
    }
}

fn run(commands: &str, folder: &Path) {
    let done = Command::new("sh")
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    assert!(done.status.success(), "{commands}:\n{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn it_leads_to_a_running_plugin() {
    let guide = Guide::read();
    let folder = TempDir::new().unwrap();
    let (copy, plugins) = (workspace("."), folder.path().join("plugins"));
    let here = |commands: &str| {
        commands
            .replace("../gridshell", copy.to_str().unwrap())
            .replace("/usr/local/lib/gridshell/plugins", plugins.to_str().unwrap())
    };
    run(&here(&guide.typed(1)), folder.path());
    let hello = folder.path().join("hello");
    fs::write(hello.join("src/lib.rs"), guide.source(2)).unwrap();
    run(&here(&guide.typed(3)), &hello);

    let ini = "[Network]\nport = ${port}\nBindAddresses = \"127.0.0.1\"\n[Admin]\nPort = ${admin}\n".to_owned()
        + &here(&guide.typed(4)).replace("8003/", "${port}/");
    let mut shell = Shell::launch_in(folder, &ini, &["-console=none"], Stdio::null());
    shell.wait_until_ready();
    let last = guide.typed(5);
    let [_, asked, answer] = last.lines().collect::<Vec<_>>()[..] else { panic!("{last}") };
    let path = asked.strip_prefix("curl http://127.0.0.1:8003").unwrap();
    assert_eq!(text(&shell, path), answer.to_owned() + "\n");
}
