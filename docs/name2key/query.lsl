// Asks a name2key service: who types "/5 Ann Bee" near this object gets the key of Ann Bee, who types "/5 <a key>" the name.
//
// Put this script into an object, and the address of the service either into SERVICE below or into the object's description.

// The address, as http://name2key.example:3000/ . Empty: the object's description.
string SERVICE = "";

// The channel that is listened on.
integer CHANNEL = 5;

// The most questions that wait for their turn; further ones are refused.
integer MAX_WAITING = 20;

// Seconds until an answer must be there.
float ANSWER_TIME = 60.0;

// How often a question is sent again when the region or the service asks for a pause. The pauses are 2, 4, 8 ... seconds.
integer MAX_PAUSES = 6;

// Questions that wait, the one under way first: who asks, and what.
list waiting;

// The request under way; NULL_KEY while there is none.
key request = NULL_KEY;

// Pauses made so far for the first question.
integer pauses;

string service()
{
    if (SERVICE != "")
    {
        return SERVICE;
    }
    return llStringTrim(llGetObjectDesc(), STRING_TRIM);
}

integer is_address(string text)
{
    return llSubStringIndex(text, "http://") == 0 || llSubStringIndex(text, "https://") == 0;
}

integer is_key(string text)
{
    if (llStringLength(text) != 36)
    {
        return FALSE;
    }
    if ((key)text)
    {
        return TRUE;
    }
    return text == NULL_KEY;
}

string address_of(string asked)
{
    string address = service();
    string separator = "?";
    if (llSubStringIndex(address, "?") != -1)
    {
        separator = "&";
    }
    string parameter = "name=";
    if (is_key(asked))
    {
        parameter = "key=";
        asked = llToLower(asked);
    }
    return address + separator + parameter + llEscapeURL(asked) + "&compat=false";
}

// Sends the first question that waits.
send()
{
    if (llGetListLength(waiting) == 0)
    {
        llSetTimerEvent(0.0);
        return;
    }
    request = llHTTPRequest(address_of(llList2String(waiting, 1)), [HTTP_METHOD, "GET"], "");
    if (request == NULL_KEY)
    {
        // The region lets an object send only so many requests in a while.
        pause("the region allows no more requests at the moment");
    }
    else
    {
        llSetTimerEvent(ANSWER_TIME);
    }
}

// Waits a while, longer each time, before the first question is sent again; gives it up when that does not help.
pause(string why)
{
    request = NULL_KEY;
    pauses = pauses + 1;
    if (pauses > MAX_PAUSES)
    {
        answer("No answer for '" + llList2String(waiting, 1) + "': " + why + ". Please try again later.");
        return;
    }
    llSetTimerEvent(llPow(2.0, (float)pauses));
}

// Answers the first question and goes on with the next.
answer(string text)
{
    llInstantMessage(llList2Key(waiting, 0), text);
    waiting = llDeleteSubList(waiting, 0, 1);
    request = NULL_KEY;
    pauses = 0;
    send();
}

default
{
    state_entry()
    {
        if (!is_address(service()))
        {
            llOwnerSay("I need the address of a name2key service, as http://name2key.example:3000/ , in my description.");
        }
        llListen(CHANNEL, "", NULL_KEY, "");
        llOwnerSay("Type /" + (string)CHANNEL + " and a name or a key.");
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }

    changed(integer what)
    {
        if (what & CHANGED_OWNER)
        {
            llResetScript();
        }
    }

    listen(integer channel, string name, key id, string text)
    {
        // Only avatars have a size; another object that chats here would fill the queue.
        if (llGetAgentSize(id) == ZERO_VECTOR)
        {
            return;
        }
        text = llStringTrim(text, STRING_TRIM);
        if (text == "")
        {
            return;
        }
        if (!is_address(service()))
        {
            llInstantMessage(id, "My owner has not yet told me which name2key service to ask.");
            return;
        }
        if (llStringLength(llEscapeURL(text)) > 500)
        {
            llInstantMessage(id, "That is too long for a name.");
            return;
        }
        if (llGetListLength(waiting) >= 2 * MAX_WAITING)
        {
            llInstantMessage(id, "Too many questions are waiting. Please try again in a minute.");
            return;
        }
        waiting += [id, text];
        if (llGetListLength(waiting) == 2)
        {
            send();
        }
    }

    http_response(key id, integer status, list metadata, string body)
    {
        // An answer that was given up comes too late.
        if (id != request || id == NULL_KEY)
        {
            return;
        }
        string asked = llList2String(waiting, 1);
        if (status == 200)
        {
            if (llSubStringIndex(body, NULL_KEY) != -1 || llSubStringIndex(body, " is '' ") != -1)
            {
                answer("'" + asked + "' is unknown.");
            }
            else
            {
                answer(body);
            }
        }
        else if (status == 429 || status == 503)
        {
            pause("the service is busy (" + (string)status + ")");
        }
        else if (status == 499)
        {
            answer("No answer for '" + asked + "': the service cannot be reached, or took too long.");
        }
        else
        {
            answer("Error " + (string)status + " for '" + asked + "': " + body);
        }
    }

    timer()
    {
        if (request == NULL_KEY)
        {
            // The pause is over.
            send();
        }
        else
        {
            answer("No answer for '" + llList2String(waiting, 1) + "' within " + (string)((integer)ANSWER_TIME) + " seconds.");
        }
    }
}
