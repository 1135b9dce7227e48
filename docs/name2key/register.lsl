// Registers whoever touches this object with a name2key service: name, key and (by the header that the region adds) grid.
//
// Put this script into an object, and the address of the service either into SERVICE below or into the object's description.

// The address, as http://name2key.example:3000/touch/ . Empty: the object's description.
string SERVICE = "";

// The secret of the service, where it has Registration = secret; else empty. Take the right to modify this script from its next owner.
string SECRET = "";

// The most avatars that wait for their turn; further ones are asked to come again.
integer MAX_WAITING = 20;

// Seconds until an answer must be there.
float ANSWER_TIME = 60.0;

// How often a registration is sent again when the region or the service asks for a pause. The pauses are 2, 4, 8 ... seconds.
integer MAX_PAUSES = 6;

// Avatars that wait, the one under way first: key and name.
list waiting;

// The request under way; NULL_KEY while there is none.
key request = NULL_KEY;

// Pauses made so far for the first avatar.
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

string address_of(key id, string name)
{
    string address = service();
    string separator = "?";
    if (llSubStringIndex(address, "?") != -1)
    {
        separator = "&";
    }
    address = address + separator + "name=" + llEscapeURL(name) + "&key=" + llEscapeURL((string)id);
    if (SECRET != "")
    {
        address = address + "&secret=" + llEscapeURL(SECRET);
    }
    return address;
}

// Sends the registration of the first avatar that waits.
send()
{
    if (llGetListLength(waiting) == 0)
    {
        llSetTimerEvent(0.0);
        return;
    }
    string address = address_of(llList2Key(waiting, 0), llList2String(waiting, 1));
    request = llHTTPRequest(address, [HTTP_METHOD, "GET"], "");
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

// Waits a while, longer each time, before the first registration is sent again; gives it up when that does not help.
pause(string why)
{
    request = NULL_KEY;
    pauses = pauses + 1;
    if (pauses > MAX_PAUSES)
    {
        answer("You are not registered: " + why + ". Please touch me again later.");
        return;
    }
    llSetTimerEvent(llPow(2.0, (float)pauses));
}

// Tells the first avatar and goes on with the next.
answer(string text)
{
    key id = llList2Key(waiting, 0);
    if (llGetAgentSize(id) != ZERO_VECTOR)
    {
        llRegionSayTo(id, PUBLIC_CHANNEL, text);
    }
    else
    {
        llInstantMessage(id, text);
    }
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
            llOwnerSay("I need the address of a name2key service, as http://name2key.example:3000/touch/ , in my description.");
        }
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

    touch_start(integer count)
    {
        integer is_ready = is_address(service());
        integer i;
        for (i = 0; i < count; ++i)
        {
            key id = llDetectedKey(i);
            if (!is_ready)
            {
                llRegionSayTo(id, PUBLIC_CHANNEL, "My owner has not yet told me which name2key service to use.");
            }
            else if (llListFindList(waiting, [id]) != -1)
            {
                llRegionSayTo(id, PUBLIC_CHANNEL, "Your registration is under way.");
            }
            else if (llGetListLength(waiting) >= 2 * MAX_WAITING)
            {
                llRegionSayTo(id, PUBLIC_CHANNEL, "Too many are waiting. Please touch me again in a minute.");
            }
            else
            {
                waiting += [id, llDetectedName(i)];
                if (llGetListLength(waiting) == 2)
                {
                    send();
                }
            }
        }
    }

    http_response(key id, integer status, list metadata, string body)
    {
        // An answer that was given up comes too late.
        if (id != request || id == NULL_KEY)
        {
            return;
        }
        if (status == 200)
        {
            answer(body);
        }
        else if (status == 429 || status == 503)
        {
            pause("the service is busy (" + (string)status + ")");
        }
        else if (status == 403)
        {
            answer("You are not registered: the service does not allow it from here. (" + llStringTrim(body, STRING_TRIM) + ")");
        }
        else if (status == 499)
        {
            answer("You are not registered: the service cannot be reached, or took too long.");
        }
        else
        {
            answer("You are not registered: error " + (string)status + ": " + body);
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
            answer("You are not registered: no answer within " + (string)((integer)ANSWER_TIME) + " seconds.");
        }
    }
}
