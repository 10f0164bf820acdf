"""Where AutoGen's names are here: one table, from its modules to these rooms. Plain data, light to import."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["MODULES", "ROOTS", "VERSION", "Home", "Path", "entries", "near", "new_path", "old_path", "there"]

VERSION = "0.7.5"
"""The version of AutoGen whose names these are."""

ROOTS = ("autogen_agentchat", "autogen_core", "autogen_ext")


class Home(NamedTuple):
    """What became of one of AutoGen's modules."""

    new: str
    """The module to import instead."""
    names: Mapping[str, str]
    """Its names and their new paths, those that are not there yet included."""
    later: frozenset[str] = frozenset()
    """The names that are not there yet."""

    @property
    def there(self) -> bool:
        """Whether the new module exists: all do but those all of whose names are still to come."""
        return not self.names or len(self.later) < len(self.names)


class Path(NamedTuple):
    """One line of the table."""

    old: str
    new: str
    there: bool
    is_module: bool


def _home(new: str, names: str = "", *, later: str = "", elsewhere: Mapping[str, str] | None = None) -> Home:
    targets = {name: f"{new}.{name}" for name in f"{names} {later}".split()}
    return Home(new, targets | dict(elsewhere or {}), frozenset(later.split()))


_PUBLIC: dict[str, Home] = {
    "autogen_core": _home(
        "agentnb",
        "Agent AgentId AgentInstantiationContext AgentMetadata AgentProxy AgentRuntime AgentType BaseAgent CacheStore "
        "CancellationToken ClosureAgent ClosureContext Component ComponentBase ComponentFromConfig ComponentLoader "
        "ComponentModel ComponentSchemaType ComponentToConfig ComponentType DefaultInterventionHandler "
        "DefaultSubscription DefaultTopicId DropMessage EVENT_LOGGER_NAME FunctionCall Image InMemoryStore "
        "InterventionHandler JSON_DATA_CONTENT_TYPE MessageContext MessageHandlerContext MessageSerializer "
        "PROTOBUF_DATA_CONTENT_TYPE ROOT_LOGGER_NAME RoutedAgent SingleThreadedAgentRuntime Subscription "
        "SubscriptionInstantiationContext TRACE_LOGGER_NAME TopicId TypePrefixSubscription TypeSubscription "
        "UnknownPayload default_subscription event is_component_class is_component_instance message_handler rpc "
        "trace_create_agent_span trace_invoke_agent_span trace_tool_span try_get_known_serializers_for_type "
        "type_subscription __version__",
    ),
    "autogen_core.code_executor": _home(
        "agentnb.code_executors",
        "Alias CodeBlock CodeExecutor CodeResult FunctionWithRequirements FunctionWithRequirementsStr Import "
        "ImportFromModule with_requirements",
    ),
    "autogen_core.exceptions": _home(
        "agentnb.exceptions",
        "CantHandleException MessageDroppedException NotAccessibleError UndeliverableException",
    ),
    "autogen_core.logging": _home(
        "agentnb.telemetry",
        "AgentConstructionExceptionEvent DeliveryStage LLMCallEvent LLMStreamEndEvent LLMStreamStartEvent "
        "MessageDroppedEvent MessageEvent MessageHandlerExceptionEvent MessageKind ToolCallEvent",
    ),
    "autogen_core.memory": _home(
        "agentnb.memory", "ListMemory Memory MemoryContent MemoryMimeType MemoryQueryResult UpdateContextResult"
    ),
    "autogen_core.model_context": _home(
        "agentnb.model_context",
        "BufferedChatCompletionContext ChatCompletionContext ChatCompletionContextState "
        "HeadAndTailChatCompletionContext TokenLimitedChatCompletionContext UnboundedChatCompletionContext",
    ),
    "autogen_core.models": _home(
        "agentnb.models",
        "AssistantMessage ChatCompletionClient ChatCompletionTokenLogprob CreateResult FinishReasons "
        "FunctionExecutionResult FunctionExecutionResultMessage LLMMessage ModelCapabilities ModelFamily ModelInfo "
        "RequestUsage SystemMessage TopLogprob UserMessage validate_model_info",
    ),
    "autogen_core.tool_agent": _home(
        "agentnb.agents",
        "ToolAgent tool_agent_caller_loop",
        elsewhere={
            name: f"agentnb.exceptions.{name}"
            for name in (
                "InvalidToolArgumentsException",
                "ToolException",
                "ToolExecutionException",
                "ToolNotFoundException",
            )
        },
    ),
    "autogen_core.tools": _home(
        "agentnb.tools",
        "BaseStreamTool BaseTool BaseToolWithState FunctionTool ImageResultContent ParametersSchema "
        "StaticStreamWorkbench StaticWorkbench StreamTool TextResultContent Tool ToolOverride ToolResult ToolSchema "
        "Workbench",
    ),
    "autogen_core.utils": _home("agentnb.core", "extract_json_from_str schema_to_pydantic_model"),
    "autogen_agentchat": _home(
        "agentnb",
        elsewhere={
            "EVENT_LOGGER_NAME": "agentnb.compat.old.EVENT_LOGGER_NAME",
            "TRACE_LOGGER_NAME": "agentnb.compat.old.TRACE_LOGGER_NAME",
            "__version__": "agentnb.__version__",
        },
    ),
    "autogen_agentchat.agents": _home(
        "agentnb.agents",
        "ApprovalFuncType ApprovalRequest ApprovalResponse AssistantAgent BaseChatAgent CodeExecutorAgent "
        "MessageFilterAgent MessageFilterConfig PerSourceFilter SocietyOfMindAgent UserProxyAgent",
    ),
    "autogen_agentchat.base": _home(
        "agentnb.base",
        "AndTerminationCondition ChatAgent Handoff OrTerminationCondition Response TaskResult TaskRunner Team "
        "TerminatedException TerminationCondition",
    ),
    "autogen_agentchat.conditions": _home(
        "agentnb.conditions",
        "ExternalTermination FunctionCallTermination FunctionalTermination HandoffTermination MaxMessageTermination "
        "SourceMatchTermination StopMessageTermination TextMentionTermination TextMessageTermination "
        "TimeoutTermination TokenUsageTermination",
    ),
    "autogen_agentchat.messages": _home(
        "agentnb.messages",
        "AgentEvent BaseAgentEvent BaseChatMessage BaseMessage BaseTextChatMessage ChatMessage CodeExecutionEvent "
        "CodeGenerationEvent HandoffMessage MemoryQueryEvent MessageFactory ModelClientStreamingChunkEvent "
        "MultiModalMessage SelectSpeakerEvent SelectorEvent StopMessage StructuredContentType StructuredMessage "
        "StructuredMessageFactory TextMessage ThoughtEvent ToolCallExecutionEvent ToolCallRequestEvent "
        "ToolCallSummaryMessage UserInputRequestedEvent",
    ),
    "autogen_agentchat.state": _home(
        "agentnb.compat.state",
        "AssistantAgentState BaseGroupChatManagerState BaseState ChatAgentContainerState "
        "MagenticOneOrchestratorState RoundRobinManagerState SelectorManagerState SocietyOfMindAgentState "
        "SwarmManagerState TeamState",
    ),
    "autogen_agentchat.teams": _home(
        "agentnb.teams",
        "BaseGroupChat DiGraph DiGraphBuilder DiGraphEdge DiGraphNode GraphFlow MagenticOneGroupChat "
        "RoundRobinGroupChat SelectorGroupChat Swarm",
    ),
    "autogen_agentchat.tools": _home("agentnb.tools", "AgentTool TeamTool"),
    "autogen_agentchat.ui": _home("agentnb.ui", "Console UserInputManager"),
    "autogen_agentchat.utils": _home("agentnb.messages", "content_to_str remove_images"),
    "autogen_ext": _home("agentnb", elsewhere={"__version__": "agentnb.__version__"}),
    "autogen_ext.agents": _home("agentnb.agents"),
    "autogen_ext.agents.azure": _home("agentnb.agents.azure", later="AzureAIAgent"),
    "autogen_ext.agents.file_surfer": _home("agentnb.agents.file_surfer", later="FileSurfer"),
    "autogen_ext.agents.magentic_one": _home("agentnb.recipes", later="MagenticOneCoderAgent"),
    "autogen_ext.agents.openai": _home("agentnb.agents.openai", later="OpenAIAgent OpenAIAssistantAgent"),
    "autogen_ext.agents.video_surfer": _home("agentnb.agents.video_surfer", later="VideoSurfer"),
    "autogen_ext.agents.web_surfer": _home(
        "agentnb.agents.web_surfer", later="MultimodalWebSurfer PlaywrightController"
    ),
    "autogen_ext.auth": _home("agentnb"),
    "autogen_ext.auth.azure": _home("agentnb.models.azure", later="AzureTokenProvider TokenProvider"),
    "autogen_ext.cache_store": _home("agentnb.cache_store"),
    "autogen_ext.cache_store.diskcache": _home("agentnb.cache_store.diskcache", later="DiskCacheStore"),
    "autogen_ext.cache_store.redis": _home("agentnb.cache_store.redis", later="RedisStore"),
    "autogen_ext.code_executors": _home("agentnb.code_executors", later="create_default_code_executor"),
    "autogen_ext.code_executors.azure": _home(
        "agentnb.code_executors.azure", later="ACADynamicSessionsCodeExecutor TokenProvider"
    ),
    "autogen_ext.code_executors.docker": _home("agentnb.code_executors.docker", later="DockerCommandLineCodeExecutor"),
    "autogen_ext.code_executors.docker_jupyter": _home(
        "agentnb.code_executors.docker_jupyter",
        later="DockerJupyterCodeExecutor DockerJupyterCodeResult DockerJupyterServer JupyterClient "
        "JupyterConnectionInfo JupyterKernelClient",
    ),
    "autogen_ext.code_executors.jupyter": _home("agentnb.code_executors", "JupyterCodeExecutor JupyterCodeResult"),
    "autogen_ext.code_executors.local": _home(
        "agentnb.code_executors.local", later="CommandLineCodeResult LocalCommandLineCodeExecutor"
    ),
    "autogen_ext.experimental": _home("agentnb"),
    "autogen_ext.experimental.task_centric_memory": _home(
        "agentnb.memory.task_centric", later="MemoryBankConfig MemoryController MemoryControllerConfig"
    ),
    "autogen_ext.experimental.task_centric_memory.utils": _home(
        "agentnb.memory.task_centric",
        later="Apprentice ApprenticeConfig ChatCompletionClientRecorder Grader PageLogger PageLoggerConfig "
        "Teachability",
    ),
    "autogen_ext.memory": _home("agentnb.memory"),
    "autogen_ext.memory.canvas": _home("agentnb.memory.canvas", later="TextCanvas TextCanvasMemory"),
    "autogen_ext.memory.chromadb": _home(
        "agentnb.memory.chromadb",
        later="ChromaDBVectorMemory ChromaDBVectorMemoryConfig CustomEmbeddingFunctionConfig "
        "DefaultEmbeddingFunctionConfig HttpChromaDBVectorMemoryConfig OpenAIEmbeddingFunctionConfig "
        "PersistentChromaDBVectorMemoryConfig SentenceTransformerEmbeddingFunctionConfig",
    ),
    "autogen_ext.memory.mem0": _home("agentnb.memory.mem0", later="Mem0Memory Mem0MemoryConfig"),
    "autogen_ext.memory.redis": _home("agentnb.memory.redis", later="RedisMemory RedisMemoryConfig"),
    "autogen_ext.models": _home("agentnb.models"),
    "autogen_ext.models.anthropic": _home(
        "agentnb.models.anthropic",
        later="AnthropicBedrockChatCompletionClient AnthropicBedrockClientConfiguration "
        "AnthropicBedrockClientConfigurationConfigModel AnthropicChatCompletionClient AnthropicClientConfiguration "
        "AnthropicClientConfigurationConfigModel BaseAnthropicChatCompletionClient BedrockInfo "
        "CreateArgumentsConfigModel",
    ),
    "autogen_ext.models.azure": _home("agentnb.models.azure", later="AzureAIChatCompletionClient"),
    "autogen_ext.models.cache": _home("agentnb.models.cache", later="ChatCompletionCache"),
    "autogen_ext.models.llama_cpp": _home("agentnb.models.llama_cpp", later="LlamaCppChatCompletionClient"),
    "autogen_ext.models.ollama": _home(
        "agentnb.models.ollama",
        later="BaseOllamaClientConfigurationConfigModel CreateArgumentsConfigModel OllamaChatCompletionClient",
    ),
    "autogen_ext.models.openai": _home(
        "agentnb.models",
        "OpenAIChatCompletionClient",
        later="AZURE_OPENAI_USER_AGENT AzureOpenAIChatCompletionClient AzureOpenAIClientConfigurationConfigModel "
        "BaseOpenAIChatCompletionClient BaseOpenAIClientConfigurationConfigModel CreateArgumentsConfigModel "
        "OpenAIClientConfigurationConfigModel",
    ),
    "autogen_ext.models.replay": _home("agentnb.models", "ReplayChatCompletionClient"),
    "autogen_ext.models.semantic_kernel": _home("agentnb.models.semantic_kernel", later="SKChatCompletionAdapter"),
    "autogen_ext.runtimes": _home("agentnb.runtimes"),
    "autogen_ext.runtimes.grpc": _home(
        "agentnb.runtimes.distributed",
        later="GrpcWorkerAgentRuntime GrpcWorkerAgentRuntimeHost GrpcWorkerAgentRuntimeHostServicer",
    ),
    "autogen_ext.teams": _home("agentnb.teams"),
    "autogen_ext.teams.magentic_one": _home("agentnb.recipes", later="MagenticOne"),
    "autogen_ext.tools": _home("agentnb.tools"),
    "autogen_ext.tools.azure": _home("agentnb.tools.azure", later="AzureAISearchConfig AzureAISearchTool"),
    "autogen_ext.tools.code_execution": _home(
        "agentnb.tools", later="CodeExecutionInput CodeExecutionResult PythonCodeExecutionTool"
    ),
    "autogen_ext.tools.graphrag": _home(
        "agentnb.tools.graphrag",
        later="GlobalContextConfig GlobalDataConfig GlobalSearchTool LocalContextConfig LocalDataConfig "
        "LocalSearchTool MapReduceConfig SearchConfig",
    ),
    "autogen_ext.tools.http": _home("agentnb.tools.http", later="HttpTool"),
    "autogen_ext.tools.langchain": _home("agentnb.tools.langchain", later="LangChainToolAdapter"),
    "autogen_ext.tools.mcp": _home(
        "agentnb.tools.mcp",
        later="ChatCompletionClientSampler McpServerParams McpSessionActor McpSessionHost McpWorkbench "
        "SseMcpToolAdapter SseServerParams StaticRootsProvider StdioElicitor StdioMcpToolAdapter StdioServerParams "
        "StreamElicitor StreamableHttpMcpToolAdapter StreamableHttpServerParams create_mcp_server_session "
        "mcp_server_tools",
    ),
    "autogen_ext.tools.semantic_kernel": _home(
        "agentnb.tools.semantic_kernel", later="KernelFunctionFromTool KernelFunctionFromToolSchema"
    ),
    "autogen_ext.ui": _home("agentnb.ui", later="RichConsole"),
}

# Modules that AutoGen calls private and programs import all the same. Each holds every name of the public module
# around it, and what `_MORE` adds.
_PRIVATE = {
    "autogen_core": "_agent _agent_id _agent_instantiation _agent_metadata _agent_proxy _agent_runtime _agent_type "
    "_base_agent _cache_store _cancellation_token _closure_agent _component_config _constants _default_subscription "
    "_default_topic _function_utils _image _intervention _message_context _message_handler_context _routed_agent "
    "_runtime_impl_helpers _serialization _single_threaded_agent_runtime _subscription _subscription_context "
    "_telemetry _topic _type_helpers _type_prefix_subscription _type_subscription _types",
    "autogen_core.code_executor": "_base _func_with_reqs",
    "autogen_core.memory": "_base_memory _list_memory",
    "autogen_core.model_context": "_buffered_chat_completion_context _chat_completion_context "
    "_head_and_tail_chat_completion_context _token_limited_chat_completion_context "
    "_unbounded_chat_completion_context",
    "autogen_core.models": "_model_client _types",
    "autogen_core.tool_agent": "_caller_loop _tool_agent",
    "autogen_core.tools": "_base _function_tool _static_workbench _workbench",
    "autogen_core.utils": "_json_to_pydantic _load_json",
    "autogen_agentchat.agents": "_assistant_agent _base_chat_agent _code_executor_agent _message_filter_agent "
    "_society_of_mind_agent _user_proxy_agent",
    "autogen_agentchat.base": "_chat_agent _handoff _task _team _termination",
    "autogen_agentchat.conditions": "_terminations",
    "autogen_agentchat.state": "_states",
    "autogen_agentchat.teams": "_group_chat _group_chat._base_group_chat _group_chat._base_group_chat_manager "
    "_group_chat._chat_agent_container _group_chat._events _group_chat._graph "
    "_group_chat._graph._digraph_group_chat _group_chat._graph._graph_builder _group_chat._magentic_one "
    "_group_chat._magentic_one._magentic_one_group_chat _group_chat._magentic_one._magentic_one_orchestrator "
    "_group_chat._magentic_one._prompts _group_chat._round_robin_group_chat _group_chat._selector_group_chat "
    "_group_chat._sequential_routed_agent _group_chat._swarm_group_chat",
    "autogen_agentchat.tools": "_agent _task_runner_tool _team",
    "autogen_agentchat.ui": "_console",
    "autogen_agentchat.utils": "_utils",
    "autogen_ext.code_executors.docker": "_docker_code_executor",
    "autogen_ext.code_executors.docker_jupyter": "_docker_jupyter _jupyter_server",
    "autogen_ext.code_executors.jupyter": "_jupyter_code_executor",
    "autogen_ext.models.anthropic": "_anthropic_client config",
    "autogen_ext.models.cache": "_chat_completion_cache",
    "autogen_ext.models.ollama": "_ollama_client config",
    "autogen_ext.models.openai": "_openai_client config",
    "autogen_ext.models.replay": "_replay_chat_completion_client",
    "autogen_ext.memory.canvas": "_text_canvas _text_canvas_memory",
    "autogen_ext.runtimes.grpc": "_worker_runtime _worker_runtime_host",
    "autogen_ext.tools.code_execution": "_code_execution",
    "autogen_ext.tools.http": "_http_tool",
    "autogen_ext.tools.mcp": "_base _config _factory _host _session _sse _stdio _streamable_http _workbench",
}

_MORE: dict[str, Home] = {
    "autogen_core._base_agent": _home("agentnb.runtimes", "handles subscription_factory"),
    "autogen_core._component_config": _home("agentnb.core", "WELL_KNOWN_PROVIDERS"),
    "autogen_core._function_utils": _home(
        "agentnb.compat.old", "args_base_model_from_signature get_typed_signature normalize_annotated_type"
    ),
    "autogen_core._serialization": _home(
        "agentnb.runtimes.serialization",
        "DataclassJsonMessageSerializer ProtobufMessageSerializer PydanticJsonMessageSerializer SerializationRegistry",
    ),
    "autogen_agentchat.agents._assistant_agent": _home("agentnb.agents.assistant", "AssistantAgentConfig"),
    "autogen_agentchat.agents._code_executor_agent": _home("agentnb.agents.code_writer", "RetryDecision"),
    "autogen_agentchat.agents._user_proxy_agent": _home("agentnb.agents.user_proxy", "InputFuncType"),
    "autogen_agentchat.teams._group_chat._magentic_one._prompts": _home(
        "agentnb.teams.magentic_prompts",
        elsewhere={
            f"ORCHESTRATOR_{name}_PROMPT": f"agentnb.teams.magentic_prompts.{new}"
            for name, new in (
                ("FINAL_ANSWER", "FINAL_ANSWER"),
                ("PROGRESS_LEDGER", "PROGRESS"),
                ("TASK_LEDGER_FACTS", "FACTS"),
                ("TASK_LEDGER_FACTS_UPDATE", "FACTS_UPDATE"),
                ("TASK_LEDGER_FULL", "LEDGER"),
                ("TASK_LEDGER_PLAN", "PLAN"),
                ("TASK_LEDGER_PLAN_UPDATE", "PLAN_UPDATE"),
            )
        },
    ),
    "autogen_agentchat.teams._group_chat._selector_group_chat": _home(
        "agentnb.teams.selector", "CandidateFuncType SelectorFuncType"
    ),
    "autogen_agentchat.tools._task_runner_tool": _home(
        "agentnb.tools.task_runner", "TaskRunnerTool TaskRunnerToolArgs"
    ),
    "autogen_core.code_executor._func_with_reqs": _home(
        "agentnb.code_executors.requirements",
        "build_python_functions_file to_code to_stub",
        elsewhere={"import_to_str": "agentnb.code_executors.source.import_to_str"},
    ),
    "autogen_core.memory._list_memory": _home("agentnb.memory.list", "ListMemoryConfig"),
    "autogen_core.tools._function_tool": _home("agentnb.tools", "FunctionToolConfig"),
    "autogen_core.tools._workbench": _home("agentnb.tools", "StreamWorkbench"),
    "autogen_core.utils._json_to_pydantic": _home(
        "agentnb.exceptions",
        "FormatNotSupportedError ReferenceNotFoundError SchemaConversionError UnsupportedKeywordError",
    ),
    # A component that AutoGen writes under a module it does not have.
    "autogen_ext.memory.redis_memory": _home("agentnb.memory.redis", later="RedisMemory"),
}


def _around(module: str) -> str:
    while module not in _PUBLIC:
        module = module.rpartition(".")[0]
    return module


def _private() -> Iterator[tuple[str, Home]]:
    listed = {f"{package}.{name}": package for package, names in _PRIVATE.items() for name in names.split()}
    for module in sorted({*listed, *_MORE}):
        public, more = _PUBLIC[_around(module)], _MORE.get(module)
        if more is None:
            yield module, public
        elif module in listed:
            yield module, Home(public.new, {**public.names, **more.names}, public.later | more.later)
        else:
            yield module, more


MODULES: Mapping[str, Home] = {**_PUBLIC, **dict(_private())}
"""Every module of AutoGen that is known here, the private ones last."""


def new_path(old: str) -> str | None:
    """Return where one of AutoGen's modules or names is here, None if it is not in the table.

    A path that is returned need not be there yet: `there` tells.
    """
    home = MODULES.get(old)
    if home is not None:
        return home.new
    module, _, name = old.rpartition(".")
    home = MODULES.get(module)
    return home.names.get(name) if home else None


def there(old: str) -> bool:
    """Whether what an old path stands for can be imported from its new path today."""
    home = MODULES.get(old)
    if home is not None:
        return home.there
    module, _, name = old.rpartition(".")
    home = MODULES.get(module)
    return home is not None and name in home.names and name not in home.later


def _reversed() -> tuple[dict[str, str], dict[str, str]]:
    exact: dict[str, str] = {}
    classes: dict[str, list[str]] = {}
    for module, home in MODULES.items():
        for name, new in home.names.items():
            old = f"{module}.{name}"
            if new not in exact and name[0].isupper():
                classes.setdefault(name, []).append(old)
            exact.setdefault(new, old)
    return exact, {name: olds[0] for name, olds in classes.items() if len(olds) == 1}


_OLD, _OLD_CLASSES = _reversed()


def old_path(new: str) -> str | None:
    """Return AutoGen's public path of a name here, None if AutoGen has none.

    A class is known by each of its paths: the room's and the file's.
    """
    exact = _OLD.get(new)
    if exact is None and new.startswith("agentnb."):
        return _OLD_CLASSES.get(new.rpartition(".")[2])
    return exact


def entries() -> Iterator[Path]:
    """Yield the public part of the table, module by module, each followed by its names in order."""
    for module, home in _PUBLIC.items():
        yield Path(module, home.new, home.there, is_module=True)
        for name in sorted(home.names):
            yield Path(f"{module}.{name}", home.names[name], name not in home.later, is_module=False)


def near(old: str) -> list[str]:
    """List up to four old paths that are there and closest to one that is not: names first, else modules."""
    module, _, name = old.rpartition(".")
    home = MODULES.get(module)
    if home is None or old in MODULES:
        return difflib.get_close_matches(old, [known for known in _PUBLIC if there(known)], n=4)
    known = [candidate for candidate in home.names if candidate not in home.later | {name, "__version__"}]
    elsewhere = {path.old.rpartition(".")[2]: path.old for path in entries() if path.there and path.old != old}
    if name in elsewhere:
        return [elsewhere[name]]
    close = difflib.get_close_matches(name, known, n=4) or known[: 4 if name in home.names else 0]
    return [f"{module}.{candidate}" for candidate in close]
