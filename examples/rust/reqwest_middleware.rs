//! A pipeline around every request of a `reqwest` client.

use fuseboard::{
    ByReqwest, CircuitBreaker, CircuitBreakerConfig, Pipeline, PipelineMiddleware, RetryConfig,
};
use fuseboard_examples::{direct, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = serve(&["503 Busy -", "200 OK Ada", "503 Busy -"])?;
    let pipeline = Pipeline::builder()
        .classify(ByReqwest)
        .retry(RetryConfig::default())
        .breaker(CircuitBreaker::new(
            "users",
            CircuitBreakerConfig::default(),
        ))
        .build()?;
    let client = reqwest_middleware::ClientBuilder::new(direct()?)
        .with(PipelineMiddleware::new(pipeline))
        .build();
    let response = client.get(format!("http://{server}/")).send().await?;
    println!("GET, repeated: {}", response.status());
    let response = client.post(format!("http://{server}/")).send().await?;
    println!("POST, made once: {}", response.status());
    Ok(())
}
