//! [`PipelineLayer`].

use crate::classify::ByResult;
use crate::pipeline::Pipeline;
use crate::tower::pipeline::Piped;
use tower_layer::Layer;

/// Puts a pipeline around a service: every service that it makes, and every clone of one, shares its policies.
#[derive(Debug)]
pub struct PipelineLayer<K = ByResult> {
    pipeline: Pipeline<K>,
}

impl<K> PipelineLayer<K> {
    /// Services under this pipeline.
    pub fn new(pipeline: Pipeline<K>) -> Self {
        Self { pipeline }
    }
}

impl<S, K> Layer<S> for PipelineLayer<K> {
    type Service = Piped<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Piped::new(inner, self.pipeline.clone())
    }
}

impl<K> Clone for PipelineLayer<K> {
    fn clone(&self) -> Self {
        Self::new(self.pipeline.clone())
    }
}
