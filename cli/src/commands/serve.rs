//! `tapewire serve`: the model over HTTP.

use crate::config::Config;
use crate::{ending, preflight, roles};
use clap::Args;
use std::time::Duration;
use tapewire_runtime::{Shutdown, Telemetry};
use tapewire_sentiment::http::{self, Api};

/// Serves the model over HTTP until SIGINT or SIGTERM, then answers the requests it has accepted.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tapewire serve\n  tapewire serve --listen 127.0.0.1:9000 --set model=ProsusAI/finbert\n  \
    curl -s 127.0.0.1:8080/predict -H 'content-type: application/json' -d '{\"inputs\": \"Profit doubled\"}'\n  \
    curl -s 127.0.0.1:8080/v1/score -H 'content-type: application/json' \\\n    \
    -d '{\"inputs\": [{\"text\": \"Apple gains as Microsoft slips\", \"companies\": [\"AAPL\", \"Microsoft\"]}]}'\n\n\
    /openapi.json describes all routes; /health, /ready and /metrics are there, too. Settings are in [serve], [http],\n\
    [sentiment.engine] and [sentiment.queue]. Clients need a token only with http.token_file or TAPEWIRE_HTTP_TOKEN."
)]
pub struct Serve {
    /// Where to listen [default: serve.listen, 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Serve {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        if let Some(address) = self.listen {
            config.serve.listen = address;
        }
        // Before the model is loaded, so that an address in use is reported at once.
        let listener = http::listen(&config.serve.listen).await?;
        preflight::token(&config.http, &listener)?;
        let telemetry = Telemetry::install()?;
        let companies = config.sentiment.companies()?;
        ending::limit(config.serve.longest_drain.saturating_add(Duration::from_secs(1)));
        let Some(queue) = shutdown.run_until_cancelled(roles::load_model(&config)).await else { return Ok(()) };
        let api = Api::new(queue?, companies, &config.serve, &config.http);
        let _waiting = ending::wait_guard("answers to accepted requests");
        Ok(http::serve(listener, api, telemetry, &config.serve, &config.http, shutdown).await?)
    }
}
