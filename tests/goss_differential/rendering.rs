//! Templates, variables and imports: `goss render` and `ovenbird goss render`.
