//! The protocol as a client sees it: whole documents, literal bytes.

use super::*;
use crate::console::command::{Command, CommandHandler, CommandResult};
use crate::console::output::{Output, Question};
use crate::console::printer::Colours;

const CREDENTIALS: &str = "USER=admin&PASS=s%26cret";

struct Ask;

#[async_trait]
impl CommandHandler for Ask {
    async fn run(&self, _: &[String], output: &Output) -> CommandResult {
        let question = Question { text: "First name", default: Some("Default"), ..Question::default() };
        let name = output.ask(&question).await?;
        output.line(&format!("Hello {name}\nand welcome"));
        Ok(())
    }
}

fn console_for(origin: &str) -> Arc<RestConsole> {
    let commands = Arc::new(Commands::default());
    commands.register(Command::new("Users", "create user", "create user [<first>]", "Create a user"), Ask);
    commands.register(Command::new("General", "quit", "quit", "Quit the application"), |_: &[String], _: &Output| Ok(()));
    let options = RestOptions { user: "admin".to_owned(), pass: "s&cret".to_owned(), allowed_origin: origin.to_owned() };
    let printer = Printer::start(Colours::Off, |_| {}).unwrap();
    Arc::new(RestConsole::new(options, RestTimes::default(), "R.O.B.U.S.T.".to_owned(), commands, printer))
}

fn console() -> Arc<RestConsole> {
    console_for("")
}

/// Runs the console's loop beside the test, which goes on when the first prompt is there.
async fn start_loop(console: &Arc<RestConsole>) {
    let (terminal, commands) = (console.clone(), console.commands.clone());
    tokio::spawn(async move {
        let output = Output::new(terminal.clone());
        while let Input::Line(line) = terminal.read(Prompt::Command("R.O.B.U.S.T.# ")).await {
            commands.execute(&line, &output).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn answer(console: &RestConsole, path: &str, body: &str) -> RestAnswer {
    match console.handle(path, body.as_bytes()).await {
        RestReply::Answer(answer) => answer,
        RestReply::NotFoundPage => panic!("{path} does not exist"),
    }
}

async fn start(console: &RestConsole) -> String {
    let body = answer(console, "/StartSession/", CREDENTIALS).await.body;
    let (_, rest) = body.split_once("<SessionID>").unwrap();
    rest.split_once("</SessionID>").unwrap().0.to_owned()
}

async fn read(console: &RestConsole, id: &str) -> String {
    answer(console, &format!("/ReadResponses/{id}"), "").await.body
}

fn document(lines: &str) -> String {
    format!("<?xml version=\"1.0\"?><ConsoleSession>{lines}</ConsoleSession>")
}

const PROMPT_LINE: &str = "Level=\"\" Prompt=\"true\" Command=\"true\" Input=\"false\">R.O.B.U.S.T.# </Line>";

fn plain(status: u16) -> RestReply {
    RestReply::Answer(RestAnswer { status, content_type: "text/plain", body: String::new(), headers: Vec::new() })
}

#[tokio::test(start_paused = true)]
async fn start_session_answers_prompt_and_help_tree() {
    let console = console();
    let started = answer(&console, "/startsession", CREDENTIALS).await;
    let id = started.body.split(['<', '>']).nth(6).unwrap();
    assert_eq!(parse_uuid(id).map(|id| id.to_string()).as_deref(), Some(id));
    assert_eq!((started.status, started.content_type, started.headers.as_slice()), (200, "text/xml", [].as_slice()));
    assert_eq!(
        started.body,
        format!(
            "<?xml version=\"1.0\"?><ConsoleSession><SessionID>{id}</SessionID><Prompt>R.O.B.U.S.T.</Prompt>\
             <HelpTree><Level Name=\"create\"><Level Name=\"user\"><Command><Module>Users</Module><Shared>False</Shared>\
             <HelpText>create user [&lt;first&gt;]</HelpText><LongHelp>Create a user</LongHelp><Description></Description>\
             </Command></Level></Level></HelpTree></ConsoleSession>"
        )
    );
    start_loop(&console).await;
    let later = answer(&console, "/StartSession/", CREDENTIALS).await.body;
    assert!(later.contains("<Prompt>R.O.B.U.S.T.# </Prompt>"), "{later}");
}

#[tokio::test]
async fn wrong_credentials_are_401() {
    let mut console = console();
    for body in ["", "USER=admin", "PASS=s%26cret", "USER=Admin&PASS=s%26cret", "USER=admin&PASS=s%26crets", "USER=&PASS="] {
        assert_eq!(console.handle("/StartSession/", body.as_bytes()).await, plain(401), "{body}");
    }
    let options = &mut Arc::get_mut(&mut console).unwrap().options;
    (options.user, options.pass) = (String::new(), String::new());
    assert_eq!(console.handle("/StartSession/", b"USER=&PASS=").await, plain(401));
}

#[tokio::test(start_paused = true)]
async fn two_sessions_see_the_same_dialogue() {
    let console = console();
    console.print(Level::Warn, "before");
    start_loop(&console).await;
    let first = start(&console).await;
    let scrollback = format!("<Line Number=\"1\" Level=\"warn\" Input=\"false\">before</Line><Line Number=\"2\" {PROMPT_LINE}");
    assert_eq!(read(&console, &first).await, document(&scrollback));

    let sent = answer(&console, "/SessionCommand/", &format!("ID={first}&COMMAND=create user \"Ada\"")).await;
    assert_eq!((sent.status, sent.content_type), (200, "text/xml"));
    assert_eq!(sent.body, "<?xml version=\"1.0\"?><ConsoleSession><Result>OK</Result></ConsoleSession>");
    let question = "<Line Number=\"3\" Level=\"\" Prompt=\"false\" Command=\"false\" Input=\"true\">create user \"Ada\"</Line>\
                    <Line Number=\"4\" Level=\"\" Prompt=\"true\" Command=\"false\" Input=\"false\">First name [Default]: </Line>";
    assert_eq!(read(&console, &first).await, document(question));

    let second = start(&console).await;
    assert_ne!(first, second);
    answer(&console, "/SessionCommand", &format!("ID={second}&COMMAND=Gr%C3%A4ce%0A")).await;
    let rest = format!(
        "<Line Number=\"5\" Level=\"\" Prompt=\"false\" Command=\"false\" Input=\"true\">Gräce </Line>\
         <Line Number=\"6\" Level=\"normal\" Prompt=\"false\" Command=\"false\" Input=\"false\">Hello Gräce </Line>\
         <Line Number=\"7\" Level=\"normal\" Prompt=\"false\" Command=\"false\" Input=\"false\">and welcome</Line>\
         <Line Number=\"8\" {PROMPT_LINE}"
    );
    assert_eq!(read(&console, &first).await, document(&rest));
    let all = read(&console, &second).await;
    assert_eq!(all.matches("<Line ").count(), 8);
    assert!(all.contains("<Line Number=\"4\" Level=\"\" Input=\"false\">First name [Default]: </Line>"), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_for_25_seconds() {
    let console = console_for("https://grid.example");
    let id = start(&console).await;
    let before = Instant::now();
    let nothing = answer(&console, &format!("/ReadResponses/{id}/"), "").await;
    assert_eq!(before.elapsed(), Duration::from_secs(25));
    let headers = vec![("Access-Control-Allow-Origin", "https://grid.example".to_owned()), ("Connection", "close".to_owned())];
    let body = "<?xml version=\"1.0\"?><ConsoleSession />".to_owned();
    assert_eq!(nothing, RestAnswer { status: 200, content_type: "text/xml", body, headers: headers.clone() });

    let poll = tokio::spawn({
        let console = console.clone();
        async move { answer(&console, &format!("/ReadResponses/{id}"), "").await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    console.print(Level::Error, "a");
    tokio::time::sleep(Duration::from_millis(50)).await;
    console.print(Level::Normal, "b");
    let lines = poll.await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(28_100));
    let body = document(
        "<Line Number=\"1\" Level=\"error\" Input=\"false\">a</Line>\
         <Line Number=\"2\" Level=\"normal\" Prompt=\"false\" Command=\"false\" Input=\"false\">b</Line>",
    );
    assert_eq!(lines, RestAnswer { status: 200, content_type: "application/xml", body, headers });
}

#[tokio::test(start_paused = true)]
async fn unknown_sessions_and_paths() {
    let console = console();
    let unknown = "4bb1c5a6-4c39-4fd5-9a5d-0f6f5e6c9a10";
    for path in [&format!("/ReadResponses/{unknown}"), "/ReadResponses/x", "/ReadResponses/", "/readresponses", "/", "/other"] {
        assert_eq!(console.handle(path, b"").await, RestReply::NotFoundPage, "{path}");
    }
    let id = start(&console).await;
    for body in ["", "ID=x&COMMAND=y", &format!("ID={unknown}&COMMAND=y"), &format!("ID={id}"), "COMMAND=y"] {
        assert_eq!(console.handle("/SessionCommand/", body.as_bytes()).await, plain(404), "{body}");
    }
    for body in ["", "ID=x"] {
        assert_eq!(console.handle("/CloseSession/", body.as_bytes()).await, plain(404), "{body}");
    }
    let closed = answer(&console, "/CloseSession/", &format!("ID={unknown}")).await;
    assert_eq!((closed.status, closed.body.as_str()), (200, OK_DOCUMENT));
    assert_eq!(console.handle("/StartSession/", &vec![b'x'; MAX_INPUT_BYTES + 1]).await, plain(413));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_held_poll_and_the_session() {
    let console = console();
    let id = start(&console).await;
    let poll = tokio::spawn({
        let (console, path) = (console.clone(), format!("/ReadResponses/{id}"));
        async move { console.handle(&path, b"").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(answer(&console, "/CloseSession/", &format!("ID={id}")).await.body, OK_DOCUMENT);
    assert_eq!(poll.await.unwrap(), RestReply::NotFoundPage);
    assert_eq!(console.handle("/SessionCommand/", format!("ID={id}&COMMAND=y").as_bytes()).await, plain(404));
}

#[tokio::test(start_paused = true)]
async fn sessions_expire_unless_they_are_read() {
    let console = console();
    let id = start(&console).await;
    let command = format!("ID={id}&COMMAND=y");
    tokio::time::advance(Duration::from_secs(490)).await;
    assert_eq!(read(&console, &id).await, EMPTY_DOCUMENT);
    tokio::time::advance(Duration::from_secs(499)).await;
    assert_eq!(answer(&console, "/SessionCommand/", &command).await.status, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(console.handle("/SessionCommand/", command.as_bytes()).await, plain(404));
    assert_eq!(console.handle(&format!("/ReadResponses/{id}"), b"").await, RestReply::NotFoundPage);
}

#[tokio::test(start_paused = true)]
async fn waiting_input_is_bounded_and_a_stop_ends_held_polls() {
    let console = console();
    let id = start(&console).await;
    let command = format!("ID={id}&COMMAND=y");
    for _ in 0..MAX_WAITING_INPUT {
        assert_eq!(answer(&console, "/SessionCommand/", &command).await.status, 200);
    }
    assert_eq!(console.handle("/SessionCommand/", command.as_bytes()).await, plain(503));

    let poll = tokio::spawn({
        let console = console.clone();
        async move { answer(&console, &format!("/ReadResponses/{id}"), "").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    console.close();
    assert_eq!(poll.await.unwrap().status, 503);
}
