"""Every settings key of LM Studio, as rows: the one place where a setting is declared.

Keys, kinds, ranges and defaults are those of the lmstudio-js sources (August 2026). A `*` after
an SDK name marks one LM Studio has no SDK name for; it is the camelCase of the key's tail.
"""

from typing import Any, Final

from lmctl.manifests.rules import Kind, Rule

NUMBER: Final = Rule(Kind.NUMBER)
BOOLEAN: Final = Rule(Kind.BOOLEAN)
TEXT: Final = Rule(Kind.TEXT)
TEXTS: Final = Rule(Kind.LIST, item=TEXT)
LIST: Final = Rule(Kind.LIST)
NUMBERS: Final = Rule(Kind.LIST, item=Rule(Kind.NUMBER, 0))
RATIO: Final = Rule(Kind.RATIO)
PROBABILITY: Final = Rule(Kind.NUMBER, 0, 1)
POSITIVE: Final = Rule(Kind.NUMBER, 0)
COUNT: Final = Rule(Kind.INTEGER, 1)
COUNT0: Final = Rule(Kind.INTEGER, 0)
SEED: Final = Rule(Kind.INTEGER, -1)
ANY: Final = Rule(Kind.ANY)


def choice(*words: str) -> Rule:
    """Return the rule of a setting that is one of these words."""
    return Rule(Kind.CHOICE, choices=words)


def shape(**fields: Rule) -> Rule:
    """Return the rule of a mapping with these fields, none of them required."""
    return Rule(Kind.OBJECT, fields=fields)


_JINJA: Final = shape(template=TEXT)
_MANUAL: Final = shape(
    beforeSystem=TEXT,
    afterSystem=TEXT,
    beforeUser=TEXT,
    afterUser=TEXT,
    beforeAssistant=TEXT,
    afterAssistant=TEXT,
)
_TEMPLATE: Final = shape(
    type=choice("jinja", "manual"),
    jinjaPromptTemplate=_JINJA,
    manualPromptTemplate=_MANUAL,
    stopStrings=TEXTS,
)
_CACHE_TYPE: Final = choice("f32", "f16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
GPU_SPLIT: Final = shape(
    strategy=choice("evenly", "priorityOrder", "tensor", "custom"),
    disabledGpus=Rule(Kind.LIST, item=COUNT0),
    priority=Rule(Kind.LIST, item=COUNT0),
    customRatio=NUMBERS,
)

# (key below `llm.prediction.`, rule, checkbox, default, SDK name, wire name, gguf, mlx)
PREDICTION: Final[tuple[tuple[str, Rule, bool, Any, str, str, bool, bool], ...]] = (
    ("temperature", POSITIVE, False, 0.8, "temperature", "temperature", True, True),
    (
        "contextOverflowPolicy", choice("stopAtLimit", "truncateMiddle", "rollingWindow"),
        False, "truncateMiddle", "contextOverflowPolicy", "", True, True,
    ),
    ("maxPredictedTokens", COUNT, True, None, "maxTokens", "max_tokens", True, True),
    ("stopStrings", TEXTS, False, [], "stopStrings", "stop", True, True),
    ("toolCallStopStrings", TEXTS, False, [], "toolCallStopStrings", "", True, True),
    (
        "structured",
        shape(type=choice("none", "json", "gbnf"), jsonSchema=ANY, gbnfGrammar=TEXT),
        False, {"type": "none"}, "structured", "response_format", True, True,
    ),
    (
        "tools", shape(type=choice("none", "toolArray"), tools=LIST),
        False, {"type": "none"}, "rawTools", "tools", True, True,
    ),
    (
        "toolChoice", shape(type=choice("generic"), mode=choice("none", "auto", "required")),
        False, {"type": "generic", "mode": "auto"}, "toolChoice", "tool_choice", True, True,
    ),
    (
        "toolNaming", choice("removeSpecial", "passThrough", "snakeCase", "camelCase"),
        False, "removeSpecial", "toolNaming", "", True, True,
    ),
    ("promptTemplate", _TEMPLATE, False, None, "promptTemplate", "", True, True),
    ("systemPrompt", TEXT, False, "", "systemPrompt*", "system_prompt", True, True),
    ("seed", SEED, True, None, "seed*", "seed", True, True),
    ("contextPrefill", LIST, False, [], "contextPrefill*", "", True, True),
    ("topKSampling", Rule(Kind.INTEGER, -1, 500), False, 40, "topKSampling", "top_k", True, True),
    (
        "repeatPenalty", Rule(Kind.NUMBER, -1), True, 1.1,
        "repeatPenalty", "repeat_penalty", True, True,
    ),
    ("minPSampling", PROBABILITY, True, 0.05, "minPSampling", "min_p", True, True),
    ("topPSampling", PROBABILITY, True, 0.95, "topPSampling", "top_p", True, True),
    ("logProbs", Rule(Kind.INTEGER, 0, 100), True, None, "logProbs", "top_logprobs", True, True),
    ("reasoning.enableThinking", BOOLEAN, False, True, "enableThinking", "reasoning", True, True),
    (
        "reasoning.budgetTokens", COUNT0, True, None,
        "reasoningBudget", "thinking.budget_tokens", True, True,
    ),
    (
        "reasoning.parsing", shape(enabled=BOOLEAN, startString=TEXT, endString=TEXT),
        False, {"enabled": True, "startString": "<think>", "endString": "</think>"},
        "reasoningParsing", "", True, True,
    ),
    (
        "vision.userMaxImageDimensionPixels", COUNT, True, 1024,
        "userMaxImageDimensionPixels", "", True, True,
    ),
    (
        "vision.ignoreModelPreferredMaxImageDimension", BOOLEAN, False, False,
        "ignoreModelPreferredMaxImageDimension", "", True, True,
    ),
    ("speculativeDecoding.draftModel", TEXT, False, "", "draftModel", "draft_model", True, True),
    (
        "speculativeDecoding.minDraftLengthToConsider", COUNT0, False, 0,
        "speculativeDecodingMinDraftLengthToConsider", "", True, False,
    ),
    (
        "speculativeDecoding.minContinueDraftingProbability", PROBABILITY, False, 0.75,
        "speculativeDecodingMinContinueDraftingProbability", "", True, False,
    ),
    ("speculativeDecoding.maxTokensToDraft", COUNT, False, 16, "maxTokensToDraft*", "", True, False),
    ("speculativeDecoding.numReuseTokens", COUNT, False, 256, "numReuseTokens*", "", True, False),
    (
        "speculativeDecoding.numDraftTokensExact", COUNT, False, 2,
        "speculativeDecodingNumDraftTokensExact", "", False, True,
    ),
    ("llama.cpuThreads", COUNT, False, 4, "cpuThreads", "", True, False),
    (
        "llama.frequencyPenalty", NUMBER, True, None,
        "frequencyPenalty*", "frequency_penalty", True, False,
    ),
    (
        "llama.presencePenalty", NUMBER, True, None,
        "presencePenalty", "presence_penalty", True, False,
    ),
    ("llama.xtcProbability", PROBABILITY, True, None, "xtcProbability", "", True, False),
    ("llama.xtcThreshold", PROBABILITY, True, None, "xtcThreshold", "", True, False),
    (
        "llama.mirostatSampling",
        shape(
            version=Rule(Kind.INTEGER, choices=(0, 1, 2)), learningRate=POSITIVE, targetEntropy=POSITIVE
        ),
        False, {"version": 0, "learningRate": 0.1, "targetEntropy": 5},
        "mirostatSampling*", "", True, False,
    ),
    ("llama.tailFreeSampling", PROBABILITY, True, None, "tailFreeSampling*", "", True, False),
    (
        "llama.locallyTypicalSampling", PROBABILITY, True, None,
        "locallyTypicalSampling*", "", True, False,
    ),
    ("llama.logitBias", Rule(Kind.LOGIT_BIAS), False, [], "logitBias*", "logit_bias", True, False),
)  # fmt: skip

# (full key, rule, checkbox, default, SDK name, wire name, gguf, mlx)
LOAD: Final[tuple[tuple[str, Rule, bool, Any, str, str, bool, bool], ...]] = (
    ("llm.load.contextLength", COUNT, False, 2048, "contextLength", "context_length", True, True),
    ("llm.load.autoFitMinContextLength", COUNT0, False, 0, "autoFitMinContextLength*", "", True, True),
    ("llm.load.numExperts", COUNT0, False, 0, "numExperts", "num_experts", True, False),
    ("llm.load.seed", SEED, True, None, "seed", "", True, True),
    (
        "llm.load.promptTemplate", shape(type=choice("jinja"), jinjaPromptTemplate=_JINJA),
        False, None, "promptTemplate", "prompt_template", True, False,
    ),
    (
        "llm.load.offloadKVCacheToGpu", BOOLEAN, False, True,
        "offloadKVCacheToGpu", "offload_kv_cache_to_gpu", True, False,
    ),
    (
        "llm.load.numCpuExpertLayersRatio", RATIO, False, "off",
        "gpu.numCpuExpertLayersRatio", "", True, False,
    ),
    (
        "llm.load.numParallelSessions", Rule(Kind.INTEGER, 1, 1023), False, 4,
        "maxParallelPredictions", "parallel", True, True,
    ),
    ("llm.load.useUnifiedKvCache", BOOLEAN, False, True, "useUnifiedKvCache", "", True, False),
    ("llm.load.llama.autoFit", BOOLEAN, False, True, "autoFit*", "", True, False),
    ("llm.load.llama.acceleration.offloadRatio", RATIO, False, "max", "gpu.ratio", "", True, False),
    ("llm.load.llama.cpuThreadPoolSize", COUNT, False, 4, "cpuThreadPoolSize*", "", True, False),
    (
        "llm.load.llama.evalBatchSize", COUNT, False, 2048,
        "evalBatchSize", "eval_batch_size", True, False,
    ),
    ("llm.load.llama.physicalBatchSize", COUNT, False, 512, "physicalBatchSize", "", True, False),
    (
        "llm.load.llama.flashAttention", BOOLEAN, False, False,
        "flashAttention", "flash_attention", True, False,
    ),
    ("llm.load.llama.contextCheckpoints", COUNT0, False, 32, "contextCheckpoints", "", True, False),
    (
        "llm.load.llama.reasoningBudgetMessage", TEXT, False, "",
        "reasoningBudgetMessage", "", True, False,
    ),
    ("llm.load.llama.ropeFrequencyBase", POSITIVE, True, None, "ropeFrequencyBase", "", True, False),
    ("llm.load.llama.ropeFrequencyScale", POSITIVE, True, None, "ropeFrequencyScale", "", True, False),
    ("llm.load.llama.keepModelInMemory", BOOLEAN, False, True, "keepModelInMemory", "", True, False),
    ("llm.load.llama.useFp16ForKVCache", BOOLEAN, False, True, "useFp16ForKVCache", "", True, False),
    ("llm.load.llama.tryMmap", BOOLEAN, False, True, "tryMmap", "", True, False),
    ("llm.load.llama.tryDirectIO", BOOLEAN, False, False, "tryDirectIO", "", True, False),
    (
        "llm.load.llama.kCacheQuantizationType", _CACHE_TYPE, True, None,
        "llamaKCacheQuantizationType", "", True, False,
    ),
    (
        "llm.load.llama.vCacheQuantizationType", _CACHE_TYPE, True, None,
        "llamaVCacheQuantizationType", "", True, False,
    ),
    *(
        (f"llm.load.llama.speculativeDecoding.{tail}", rule, False, default, name, "", True, False)
        for tail, rule, default, name in (
            ("draftMtp", BOOLEAN, False, "speculativeDraftMtp"),
            ("draftSimple", BOOLEAN, False, "speculativeDraftSimple"),
            ("draftMtpSidecar", BOOLEAN, False, "speculativeDraftMtpSidecar*"),
            ("draftDflashSidecar", BOOLEAN, False, "speculativeDraftDflashSidecar*"),
            ("draftDsparkSidecar", BOOLEAN, False, "speculativeDraftDsparkSidecar*"),
            ("draftModel", TEXT, "", "speculativeDraftModel"),
            ("draftMaxTokens", COUNT0, 3, "speculativeDraftMaxTokens"),
            ("draftMinTokens", COUNT0, 0, "speculativeDraftMinTokens"),
            ("draftMinContinueProbability", PROBABILITY, 0, "speculativeDraftMinContinueProbability"),
        )
    ),
    ("llm.load.mlx.autoFit", BOOLEAN, False, True, "mlxAutoFit*", "", False, True),
    ("llm.load.mlx.diskCache", BOOLEAN, False, True, "mlxDiskCache", "", False, True),
    (
        "llm.load.mlx.kvCacheQuantization",
        shape(
            enabled=BOOLEAN,
            bits=Rule(Kind.INTEGER, choices=(8, 6, 4, 3, 2)),
            groupSize=Rule(Kind.INTEGER, choices=(32, 64, 128)),
            quantizedStart=COUNT0,
        ),
        False, {"enabled": False, "bits": 8, "groupSize": 64, "quantizedStart": 5000},
        "mlxKvCacheQuantization", "", False, True,
    ),
    (
        "load.gpuSplitConfig", GPU_SPLIT, False,
        {"strategy": "evenly", "disabledGpus": [], "priority": [], "customRatio": []},
        "gpuSplitConfig*", "", True, False,
    ),
    ("load.gpuStrictVramCap", BOOLEAN, False, False, "gpuStrictVramCap", "", True, False),
    ("envVars", Rule(Kind.TEXT_MAP), False, {}, "envVars*", "", True, True),
)  # fmt: skip

# As LOAD; these belong to embedding models.
EMBEDDING: Final[tuple[tuple[str, Rule, bool, Any, str, str, bool, bool], ...]] = tuple(
    (f"embedding.load.{tail}", rule, checkbox, default, name, wire, True, False)
    for tail, rule, checkbox, default, name, wire in (
        ("contextLength", COUNT, False, 2048, "contextLength", "context_length"),
        ("seed", SEED, True, None, "seed*", ""),
        ("llama.acceleration.offloadRatio", RATIO, False, "max", "gpu.ratio", ""),
        ("llama.evalBatchSize", COUNT, False, 2048, "evalBatchSize*", ""),
        ("llama.ropeFrequencyBase", POSITIVE, True, None, "ropeFrequencyBase", ""),
        ("llama.ropeFrequencyScale", POSITIVE, True, None, "ropeFrequencyScale", ""),
        ("llama.keepModelInMemory", BOOLEAN, False, True, "keepModelInMemory", ""),
        ("llama.tryMmap", BOOLEAN, False, True, "tryMmap", ""),
    )
)

# As LOAD; chat with documents.
RETRIEVAL: Final[tuple[tuple[str, Rule, bool, Any, str, str, bool, bool], ...]] = tuple(
    (f"retrieval.{tail}", rule, False, default, name, "", True, True)
    for tail, rule, default, name in (
        ("databaseFile", TEXT, "", "databaseFile*"),
        (
            "chunkingMethod",
            shape(type=choice("recursive-v1"), chunkSize=COUNT, chunkOverlap=COUNT0),
            {"type": "recursive-v1", "chunkSize": 512, "chunkOverlap": 100},
            "chunkingMethod",
        ),
        ("limit", COUNT, 5, "limit"),
        ("embeddingModel", TEXT, "", "embeddingModel"),
    )
)
