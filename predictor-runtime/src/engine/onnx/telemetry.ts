/**
 * ONNX Runtime 1.30 sends usage data to its maker, and writes files for it into the temporary folder, unless
 * this variable is set before its library is loaded: import this module first.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1';
