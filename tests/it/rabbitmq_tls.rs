//! RabbitMQ over TLS with a certificate of a private authority, made here: it works end to end with
//! `queue.ca_file`, and neither without it nor under a name that the certificate does not have.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use waha_ingest::queue::rabbitmq::{BrokerError, Options, RabbitmqQueue};
use waha_ingest::queue::{BatchLimit, Lane, Queue};

use crate::process::Setting;
use crate::rabbitmq_node::{Node, message, prefix};
use crate::wait::wait_for;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// The one name in the certificate.
const NAME: &str = "127.0.0.1";
/// A name of this machine that is not in it.
const OTHER_NAME: &str = "localhost";

/// A node and the files of its authority.
struct Secured {
    node: Node,
    folder: TempDir,
    ca_pem: String,
}

impl Secured {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = authority("a private authority");
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([NAME.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &ca).unwrap();
        for (name, pem) in [
            ("ca.pem", ca.pem()),
            ("certificate.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        Self { node: Node::start_with_tls(folder.path()), folder, ca_pem: ca.pem() }
    }

    fn options(&self, host: &str, ca_pem: Option<&str>) -> Options {
        let ca_pem = ca_pem.map(str::to_owned);
        Options { prefix: prefix(), ca_pem, ..Options::new(vec![self.node.tls_url(host).into()]) }
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_go_through_and_again_after_a_kill() {
    let secured = Secured::start();
    let queue = RabbitmqQueue::open(secured.options(NAME, Some(&secured.ca_pem)));
    queue.publish(message("one")).await.expect("publish");
    assert_eq!(receive(&queue).await, "one");
    secured.node.does("kill");
    secured.node.does("resume");
    wait_for("a webhook to be published again", PATIENCE, || async {
        queue.publish(message("two")).await.ok()
    })
    .await;
    assert_eq!(receive(&queue).await, "two");
}

/// Takes one webhook from the queue.
async fn receive(queue: &RabbitmqQueue) -> String {
    wait_for("a delivery", PATIENCE, || async {
        let wait = std::time::Duration::from_millis(200);
        let mut batch = queue.receive(Lane::Messages, BatchLimit::of(1), wait).await.ok()?;
        let id = batch.first()?.webhook().key().id.clone();
        queue.ack(batch.split_off(0)).await.expect("ack");
        Some(id)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_certificate_with_the_right_name_will_do() {
    let secured = Secured::start();
    let other_ca = authority("somebody else").pem();
    for (host, ca_pem, is_right) in [
        (NAME, None, "UnknownIssuer"),
        (NAME, Some(&*other_ca), "UnknownIssuer"),
        (OTHER_NAME, Some(&*secured.ca_pem), "not valid for name"),
    ] {
        let options = secured.options(host, ca_pem);
        let error = RabbitmqQueue::check(&options, &options.urls[0]).await.expect_err("refused");
        assert!(matches!(error, BrokerError::Certificate(_)), "{host}: {error:?}");
        assert!(error.to_string().contains(is_right), "{host}: {error}");
        let queue = RabbitmqQueue::open(options);
        queue.publish(message("one")).await.expect_err("nothing is sent");
    }
    check_names_the_certificate(&secured);
}

/// As an operator sees it.
fn check_names_the_certificate(secured: &Secured) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("waha.db").display());
    let mut setting = Setting::new(folder.path(), &url);
    setting.queue_url = Some(secured.node.tls_url(NAME));
    let printed = setting.run(&["check"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.status.code(), Some(1), "{text}");
    assert!(text.contains("queue.ca_file") && text.contains("UnknownIssuer"), "{text}");
    let ca_file = secured.folder.path().join("ca.pem");
    setting.environment.push(("WAHA_INGEST__QUEUE__CA_FILE", ca_file.display().to_string()));
    check_is_right(&setting);
    // The private authority does on a machine that trusts no other.
    setting.environment.push(("SSL_CERT_FILE", "/dev/null".to_owned()));
    check_is_right(&setting);
}

fn check_is_right(setting: &Setting<'_>) {
    let printed = setting.run(&["check"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.status.code(), Some(0), "{text}");
    assert!(text.contains(": RabbitMQ ") && text.contains("everything declared"), "{text}");
}
