//! `GET /metrics`: what the engine has done since its start, in Prometheus's text format. Routed only where the settings
//! open it.

use std::fmt;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use doorwarden_core::hashing::Waits;
use doorwarden_core::metrics::{Count, Metrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::current::Auth;
use crate::problem::Problem;

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What the service has done since its start, in numbers.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "text/plain", description = "Prometheus's text format"))
)]
pub(crate) async fn metrics(State(auth): State<Auth>) -> Result<Response, Problem> {
    let metrics = auth.engine().metrics().await;
    let text = write(metrics).map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

fn write(metrics: Metrics) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("doorwarden");
    registry.register_collector(Box::new(Page(metrics)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Page(Metrics);

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (metrics, mut page) = (&self.0, Writer(encoder));
        page.family("login_steps", "Steps of logins, by how each ended.", "outcome", &metrics.logins)?;
        page.family("restrictions", "Restrictions that began, by what they restrict.", "of", &metrics.restrictions)?;
        page.counter("sessions_opened", "Sessions opened.", metrics.sessions_opened)?;
        page.family("sessions_ended", "Sessions that ended before their time.", "reason", &metrics.sessions_ended)?;
        let hashing = &metrics.hashing;
        page.counter("hash_evaluations", "Password hashes computed.", hashing.evaluations)?;
        page.counter("hashing_busy", "Callers who were told busy.", hashing.busy)?;
        page.gauge("hashing_threads", "Threads that hash.", hashing.threads)?;
        page.gauge("hashing_running", "Threads that are hashing now.", hashing.running)?;
        page.gauge("hashing_waiting", "Callers who wait for a thread now.", hashing.waiting)?;
        page.gauge("hashing_outside", "Callers who wait for a place in the queue now.", hashing.outside)?;
        page.waits("hashing_wait_seconds", "How long callers waited for a thread.", &hashing.waits)?;
        page.family("stale_commits", "Decisions made anew since another commit came first.", "port", &metrics.stale)?;
        page.family("store_faults", "Calls of the store that failed.", "port", &metrics.store_faults)?;
        page.family("mails", "Tries to hand over a mail, and mails given up.", "outcome", &metrics.mails)?;
        // Left out while the store doesn't answer, rather than told wrongly.
        if let Some(outbox) = metrics.outbox {
            page.gauge("outbox_waiting", "Mails and other deliveries that wait.", outbox.waiting)?;
            page.gauge("outbox_set_aside", "Deliveries that can't be read.", outbox.set_aside)?;
        }
        page.family("audit_events", "Events of the audit trail that tell of something done.", "name", &metrics.events)?;
        let help = "Events of the audit trail that tell of a refusal.";
        page.family("audit_refusals", help, "name", &metrics.refusals)
    }
}

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        ConstCounter::new(count).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn family(&mut self, name: &str, help: &str, label: &'static str, counts: &[Count]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for Count { of, count } in counts {
            ConstCounter::new(*count).encode(family.encode_family(&[(label, *of)])?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl TryInto<i64>) -> fmt::Result {
        let value = value.try_into().unwrap_or(i64::MAX);
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn waits(&mut self, name: &str, help: &str, waits: &Waits) -> fmt::Result {
        let buckets: Vec<(f64, u64)> = waits
            .buckets
            .iter()
            .map(|(bound, count)| (bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64()), *count))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut histogram = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        histogram.encode_histogram::<NoLabelSet>(waits.sum.as_secs_f64(), count, &buckets, None)
    }
}
