using System.Net;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tallylight.Interop;

/// <summary>
/// Runs what a test asks for: one JSON object a line on standard input, <c>{ id, name, ... }</c>. Every command is answered by one
/// line on standard output, <c>{ id, result }</c> or <c>{ id, error }</c>, when it is done; several may run at once. What happens
/// without being asked for is a line <c>{ event, ... }</c>.
/// </summary>
public sealed class Commands
{
    private readonly Dictionary<string, Func<JsonObject, Task<object?>>> handlers = [];
    private readonly object output = new();

    public void On(string name, Func<JsonObject, Task<object?>> handler) => handlers[name] = handler;

    public void Tell(string name, object facts) => Write(new { @event = name, facts });

    /// <summary>Until standard input is closed.</summary>
    public async Task RunAsync()
    {
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var command = JsonNode.Parse(line)!.AsObject();
            _ = Task.Run(() => AnswerAsync(command));
        }
    }

    private async Task AnswerAsync(JsonObject command)
    {
        var id = (int)command["id"]!;
        try
        {
            Write(new { id, result = await handlers[(string)command["name"]!](command) });
        }
        catch (Exception error)
        {
            Write(new { id, error = Describe(error) });
        }
    }

    private void Write(object line)
    {
        lock (output) Console.Out.WriteLine(JsonSerializer.Serialize(line));
    }

    public static object Describe(Exception error) => new
    {
        type = error.GetType().FullName,
        message = error.Message,
        status = StatusOf(error),
        code = CodeOf(error),
        inner = error.InnerException is { } inner ? Describe(inner) : null,
    };

    /// <summary>The code within Graph's error: the stateful SDK calls it the sub-code, and takes the status for the code.</summary>
    private static string? CodeOf(Exception error)
    {
        if (error.GetType().GetProperty("SubCode")?.GetValue(error) is string subCode) return subCode;
        var inner = error.GetType().GetProperty("Error", BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)?.GetValue(error);
        return inner?.GetType().GetProperty("Code")?.GetValue(inner) as string;
    }

    /// <summary>Each SDK has a status of its own on the exceptions that it throws.</summary>
    private static int? StatusOf(Exception error)
    {
        var type = error.GetType();
        var value = (type.GetProperty("StatusCode") ?? type.GetProperty("ResponseStatusCode"))?.GetValue(error);
        return value switch { HttpStatusCode code => (int)code, int code => code, _ => null };
    }
}
