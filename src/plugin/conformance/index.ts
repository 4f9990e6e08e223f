// `tollgate/conformance`: the suites that every plugin runs, built-in or not. A plugin's test is five lines.

export { describeBillingRule } from './billing.ts';
export { describePolicy, type PolicyExpectations } from './policy.ts';
export { describeProvider, type ProviderExpectations, type ProviderSuite, type UsageSample } from './provider.ts';
export { describeRoutingStrategy, healthyUpstream, type RoutingExpectations } from './routing.ts';
